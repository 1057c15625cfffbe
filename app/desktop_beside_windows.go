//go:build !cgo || race

package app

import (
	"context"
	"fmt"
	"os/exec"
)

// runWindows starts the program that has the windows, and leaves it to itself:
// a terminal does not wait for it.
func (e *env) runWindows(_ context.Context, o desktopOptions) error {
	program, err := desktopProgram()
	if err != nil {
		return err
	}
	args := []string{"--socket", o.Socket}
	if o.Hidden {
		args = append(args, hiddenFlag)
	}
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open the windows: %w", err)
	}
	return cmd.Process.Release()
}
