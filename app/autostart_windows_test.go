package app

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows/registry"
)

func TestTheProgramStartsAtLoginWhileThePersonWantsIt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	windows := filepath.Join(filepath.Dir(self), windowsFile)
	if err := os.WriteFile(windows, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(windows) })
	entry := autostart()
	t.Cleanup(func() { entry.Disable() })
	is := func(want bool) {
		t.Helper()
		if on, err := entry.Enabled(); err != nil || on != want {
			t.Errorf("it starts at login: %t, %v; want %t", on, err, want)
		}
	}
	for _, change := range []struct {
		do   func() error
		want bool
	}{{entry.Disable, false}, {entry.Enable, true}, {switchOffInTaskManager, false}, {entry.Enable, true}, {entry.Disable, false}} {
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		is(change.want)
	}
}

// switchOffInTaskManager does what the task manager does.
func switchOffInTaskManager() error {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, approvedKey, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.SetBinaryValue(runValue, []byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
}
