package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func recoverCommand(e *env) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "recover", Short: "Remove everything that a dead engine left in the system", Long: aboutRecover,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needsAdministrator("recover"); err != nil {
				return err
			}
			if !force && e.engineLives(cmd.Context()) {
				return errors.New("an engine lives: stop it first, or say --force")
			}
			removed, err := recoverBackend(force)
			for _, what := range removed {
				fmt.Fprintf(e.out, "removed %s\n", clean(what))
			}
			if err == nil && len(removed) == 0 {
				fmt.Fprintln(e.out, "nothing to remove")
			}
			return err
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also while an engine lives")
	return c
}
