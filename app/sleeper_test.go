package app

import (
	"os/exec"
	"testing"
)

// startSleeper starts a process that ends with the test, or after a minute.
func startSleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	c := sleeper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}
