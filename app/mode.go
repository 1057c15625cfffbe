package app

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// learnFor is how long mode learn lasts if nobody says it.
const learnFor = time.Hour

func modeCommand(e *env) *cobra.Command {
	var lasts time.Duration
	var dry *bool
	c := withJSON(&cobra.Command{
		Use:   "mode [ask|allow|block|learn|off|lock]",
		Short: "Show or change what happens to programs that no rule decides",
		Long: `Show or change what happens to programs that no rule decides:
  ask    hold their first packet and ask
  allow  let them pass, and collect them
  block  alerts off: block them, and ask nothing
  learn  let them pass for a time, and propose rules: see sallyport learn
  off    everything passes, rules or not
  lock   nothing passes but loopback and what has a rule with pass lock

With --for, off, allow, block and learn end by themselves; the mode of before
comes back then, also when the engine or the computer started again meanwhile.`,
		Example: "  sudo sallyport mode off --for 10m\n  sudo sallyport mode learn --for 4h",
		Args:    arguments(0, 1, "one mode"), ValidArgs: []string{"ask", "allow", "block", "learn", "off", "lock"},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, c := cmd.Context(), e.client()
			if len(args) == 0 {
				if cmd.Flags().Changed("for") {
					return usagef("--for goes with a mode, as in: sallyport mode off --for 10m")
				}
				if *dry {
					return usagef("--dry-run goes with the mode that it is about")
				}
				return e.showMode(ctx, c)
			}
			var m firewall.Mode
			if err := m.UnmarshalText([]byte(args[0])); err != nil {
				return usageError{err}
			}
			timed := cmd.Flags().Changed("for")
			if timed {
				if lasts <= 0 {
					return usagef("--for %v: want a duration such as 10m or 4h", lasts)
				}
				if err := modeEnds(m, lasts); err != nil {
					return asUsage(err)
				}
			}
			if *dry {
				return e.forecast(cmd, ui.Proposal{Mode: &m})
			}
			var err error
			if timed {
				err = c.SetModeFor(ctx, m, lasts)
			} else {
				err = c.SetMode(ctx, m)
			}
			if err != nil {
				return asUsage(err)
			}
			return e.showMode(ctx, c)
		},
	})
	dry = dryRunFlag(c)
	c.Flags().DurationVar(&lasts, "for", 0, "how long, up to 168h; learn lasts 1h if you do not say")
	return c
}

// modeNow is what mode prints with --json.
type modeNow struct {
	Mode     firewall.Mode  `json:"mode"`
	Until    *time.Time     `json:"until,omitempty"`
	After    *firewall.Mode `json:"after,omitempty"`
	Proposed int            `json:"proposed"`
	Learned  int            `json:"learned"`
}

func (e *env) showMode(ctx context.Context, c ui.Control) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(modeNow{s.Mode, s.ModeUntil, s.ModeAfter, s.Proposed, s.Learned})
	}
	fmt.Fprintln(e.out, modeWords(s))
	if s.Mode == firewall.ModeAsk && s.Proposed > 0 {
		fmt.Fprintf(e.out, "%d rules allow the programs that were seen before. Look at them and confirm:\n"+
			"  sallyport rules list --proposed\n"+
			"  sudo sallyport rules confirm --all          keep all of them\n"+
			"  sudo sallyport rules confirm ID…            keep these, be asked about the others\n", s.Proposed)
	}
	if s.Mode != firewall.ModeLearn && s.Learned > 0 {
		fmt.Fprintf(e.out, "Rules are proposed for %d programs that were learned. Look at them with: sallyport learn\n", s.Learned)
	}
	return nil
}

// modeWords is the mode, and when it ends.
func modeWords(s ui.Status) string {
	if s.ModeUntil == nil || s.ModeAfter == nil {
		return s.Mode.String()
	}
	return fmt.Sprintf("%s until %s, then %s", s.Mode, s.ModeUntil.Local().Format("2006-01-02 15:04:05"), *s.ModeAfter)
}
