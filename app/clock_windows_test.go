package app

import "testing"

func TestAStartOfTheComputerHasOneName(t *testing.T) {
	first := bootName()
	if first == "" {
		t.Fatal("this start has no name")
	}
	if again := bootName(); again != first {
		t.Errorf("it is %q and then %q", first, again)
	}
	if uptime() <= 0 {
		t.Error("the computer does not run")
	}
	if idle, known := desktopIdle(); !known || idle < 0 {
		t.Errorf("idle for %v, %t", idle, known)
	}
}
