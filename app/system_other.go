//go:build !windows

package app

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// systemCommands are the commands that only this system has.
func systemCommands(*env) []*cobra.Command { return nil }

// What status says of this system.
const (
	hasNamespaces = true
	failsOpen     = "without an engine, unknown programs pass"
)

const aboutRecover = "List and remove every table, program, pin and cgroup of Sallyport in this network\nnamespace, also after kill -9. It needs root, and refuses while an engine lives."

// engineLives leaves it to the backend to find out.
func (e *env) engineLives(context.Context) bool { return false }

// systemFlags adds what only this system's engine knows.
func systemFlags(*pflag.FlagSet, *func(context.Context, engineOptions) error) {}
