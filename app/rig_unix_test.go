//go:build !windows

package app

import (
	"os/exec"
	"path/filepath"
)

// testAddress is where the engine of a test is met.
func testAddress(dir string) string { return filepath.Join(dir, "s.sock") }

// sleeper sleeps for a minute.
func sleeper() *exec.Cmd { return exec.Command("sleep", "60") }
