package app

import "github.com/spf13/cobra"

// systemCommands are the commands that only this system has.
func systemCommands(e *env) []*cobra.Command { return []*cobra.Command{uninstallCommand(e)} }
