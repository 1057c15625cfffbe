package app

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// systemCommands are the commands that only this system has.
func systemCommands(e *env) []*cobra.Command { return []*cobra.Command{serviceCommand(e)} }

// serviceFlag is how the service manager starts the engine.
const serviceFlag = "service"

// systemFlags adds what only this system's engine knows.
func systemFlags(f *pflag.FlagSet, run *func(context.Context, engineOptions) error) {
	f.BoolFunc(serviceFlag, "run as the service manager's child", func(string) error {
		*run = runService
		return nil
	})
	f.Lookup(serviceFlag).Hidden = true
}
