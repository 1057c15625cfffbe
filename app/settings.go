package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func settingsCommand(e *env) *cobra.Command {
	return withJSON(&cobra.Command{
		Use: "settings [NAME [VALUE]]", Short: "Show or change settings", Args: arguments(0, 2, "a name and a value"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, c := cmd.Context(), e.client()
			if len(args) == 2 {
				if err := c.SetSetting(ctx, args[0], args[1]); err != nil {
					return asUsage(err)
				}
			}
			list, err := c.Settings(ctx)
			if err != nil {
				return err
			}
			t, found := &table{env: e}, false
			for _, s := range list {
				if len(args) > 0 && s.Name != args[0] {
					continue
				}
				found = true
				if e.json {
					if err := e.printJSON(s); err != nil {
						return err
					}
					continue
				}
				if len(args) > 0 {
					fmt.Fprintln(e.out, clean(s.Value))
					continue
				}
				t.row(s.Name, s.Value, s.Help)
			}
			t.print()
			if !found && len(args) > 0 {
				return fmt.Errorf("%w: setting %q: list them with: sallyport settings", ui.ErrNotFound, args[0])
			}
			return nil
		},
	})
}
