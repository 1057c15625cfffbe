package app

import (
	"fmt"

	"github.com/spf13/cobra"
)

func recoverCommand(e *env) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "recover", Short: "Remove everything that a dead engine left in the system",
		Long: "List and remove every table, program, pin and cgroup of Sallyport in this network\nnamespace, also after kill -9. It needs root, and refuses while an engine lives.",
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needsAdministrator("recover"); err != nil {
				return err
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
