//go:build !windows

package app

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// systemCommands are the commands that only this system has.
func systemCommands(*env) []*cobra.Command { return nil }

// systemFlags adds what only this system's engine knows.
func systemFlags(*pflag.FlagSet, *func(context.Context, engineOptions) error) {}
