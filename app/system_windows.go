package app

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport.dev/sallyport/ui"
)

// systemCommands are the commands that only this system has.
func systemCommands(e *env) []*cobra.Command {
	return []*cobra.Command{serviceCommand(e), selfcheckCommand(e), uninstallCommand(e)}
}

// What status says of this system.
const (
	hasNamespaces = false
	failsOpen     = "if the engine ends by itself, everything passes"
)

const aboutRecover = "List and remove what Sallyport has in the Windows Filtering Platform, and the driver's\nservice. It needs an administrator, and refuses while an engine lives."

// engineLives asks the engine itself.
func (e *env) engineLives(ctx context.Context) bool {
	_, err := e.client().Status(ctx)
	return !errors.Is(err, ui.ErrGone)
}

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
