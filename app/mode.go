package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func modeCommand(e *env) *cobra.Command {
	var dry *bool
	c := withJSON(&cobra.Command{
		Use:   "mode [ask|allow|block|off|lock]",
		Short: "Show or change what happens to programs that no rule decides",
		Long: `Show or change what happens to programs that no rule decides:
  ask    hold their first packet and ask
  allow  let them pass, and collect them
  block  block them without asking
  off    everything passes, rules or not
  lock   nothing passes but loopback, rules or not`,
		Args: arguments(0, 1, "one mode"), ValidArgs: []string{"ask", "allow", "block", "off", "lock"},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, c := cmd.Context(), e.client()
			if len(args) == 0 {
				s, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if *dry {
					return usagef("--dry-run goes with the mode that it is about")
				}
				return e.showMode(s)
			}
			var m firewall.Mode
			if err := m.UnmarshalText([]byte(args[0])); err != nil {
				return usageError{err}
			}
			if *dry {
				return e.forecast(cmd, ui.Proposal{Mode: &m})
			}
			if err := c.SetMode(ctx, m); err != nil {
				return err
			}
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			if err := e.showMode(s); err != nil || e.json {
				return err
			}
			if m == firewall.ModeAsk && s.Proposed > 0 {
				fmt.Fprintf(e.out, "%d rules allow the programs that were seen before. Look at them and confirm:\n"+
					"  sallyport rules list --proposed\n"+
					"  sudo sallyport rules confirm --all          keep all of them\n"+
					"  sudo sallyport rules confirm ID…            keep these, be asked about the others\n", s.Proposed)
			}
			return nil
		},
	})
	dry = dryRunFlag(c)
	return c
}

func (e *env) showMode(s ui.Status) error {
	if e.json {
		return e.printJSON(struct {
			Mode     firewall.Mode `json:"mode"`
			Proposed int           `json:"proposed"`
		}{s.Mode, s.Proposed})
	}
	fmt.Fprintln(e.out, s.Mode)
	return nil
}
