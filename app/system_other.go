//go:build !windows

package app

import "github.com/spf13/cobra"

// systemCommands are the commands that only this system has.
func systemCommands(*env) []*cobra.Command { return nil }
