package app

import (
	"context"
	"errors"
	"testing"
)

func TestASecondStartShowsTheFirst(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("DISPLAY", ":7")
	first, err := claimSession(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan struct{}, 1)
	go first.serve(func() { shown <- struct{}{} })
	if _, err := claimSession(context.Background()); !errors.Is(err, errShown) {
		t.Errorf("the second start says %v", err)
	}
	<-shown
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := claimSession(context.Background())
	if err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	again.Close()
}
