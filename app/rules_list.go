package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

// ruleList is which rules a command lists, and in which order.
type ruleList struct {
	proposed, unused, gone bool
	search, sort           string
}

func (l *ruleList) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&l.proposed, "proposed", false, "only those that wait to be confirmed")
	f.BoolVar(&l.unused, "unused", false, "only those that decided nothing for 90 days")
	f.BoolVar(&l.gone, "gone", false, "only those whose program is gone")
	f.StringVar(&l.search, "search", "", "only those with this text: in program, host, address, note, ID or author; or this port")
	f.StringVar(&l.sort, "sort", "", "by "+strings.Join(ui.RuleOrders, ", ")+"; the oldest first without")
}

func (e *env) listRules(ctx context.Context, l ruleList) error {
	if l.sort != "" && !slices.Contains(ui.RuleOrders, l.sort) {
		return usagef("--sort %q: want %s", l.sort, strings.Join(ui.RuleOrders, ", "))
	}
	rules, err := l.rules(ctx, e.client())
	if err != nil {
		return err
	}
	rules = slices.DeleteFunc(rules, func(r ui.Rule) bool { return l.proposed && !r.Proposed || !r.Contains(l.search) })
	if l.sort != "" {
		ui.SortRules(rules, l.sort)
	}
	t := &table{env: e}
	t.row("ID", "VERDICT", "PROGRAM", "WHERE", "UNTIL", "STATE", "HITS", "NOTE")
	for _, r := range rules {
		if e.json {
			if err := e.printJSON(r); err != nil {
				return err
			}
			continue
		}
		t.row(ruleRow(r)...)
	}
	switch {
	case e.json:
	case len(rules) == 0:
		fmt.Fprintln(e.out, "no rules")
	default:
		t.print()
	}
	return nil
}

// rules are all rules, or those that nobody may need.
func (l ruleList) rules(ctx context.Context, c ui.Control) ([]ui.Rule, error) {
	if !l.unused && !l.gone {
		return c.Rules(ctx)
	}
	stale, err := c.Stale(ctx, ui.StaleQuery{})
	if err != nil {
		return nil, err
	}
	var rules []ui.Rule
	for _, r := range stale {
		if l.unused && r.Unused || l.gone && r.Gone != "" {
			rules = append(rules, r.Rule)
		}
	}
	return rules, nil
}

func cleanRulesCommand(e *env) *cobra.Command {
	var yes, dry bool
	var lasts string
	c := withJSON(&cobra.Command{
		Use: "clean", Short: "Remove rules that were not used for long, and those whose program is gone", Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			unused, err := days(lasts)
			if err != nil {
				return usagef("--unused-for %q: want how long, such as 90d", lasts)
			}
			if e.json && !yes && !dry {
				return usagef("rules clean --json goes with --yes or --dry-run")
			}
			c := e.client()
			stale, err := c.Stale(cmd.Context(), ui.StaleQuery{Unused: unused})
			if err != nil {
				return asUsage(err)
			}
			t := &table{env: e}
			var ids []string
			for _, r := range stale {
				ids = append(ids, r.ID)
				if e.json {
					if err := e.printJSON(r); err != nil {
						return err
					}
					continue
				}
				t.row(append(ruleRow(r.Rule)[:4], r.Why())...)
			}
			t.print()
			switch {
			case len(ids) == 0 && !e.json:
				fmt.Fprintln(e.out, "nothing to clean")
			case len(ids) == 0 || dry:
			case !yes && !e.agreed(fmt.Sprintf("Remove these %d rules? [y/N] ", len(ids))):
				return fmt.Errorf("nothing was changed: to remove these rules, say --yes")
			default:
				return c.RemoveRule(cmd.Context(), ids...)
			}
			return nil
		},
	})
	f := c.Flags()
	f.BoolVar(&yes, "yes", false, "remove them without asking")
	f.BoolVar(&dry, "dry-run", false, "change nothing; only list them")
	f.StringVar(&lasts, "unused-for", "90d", "how long a rule must have decided nothing")
	return c
}

// days reads a duration that may be in days.
func days(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n, ok := strings.CutSuffix(s, "d"); ok {
		var number uint64
		number, err = strconv.ParseUint(n, 10, 16)
		d = time.Duration(number) * 24 * time.Hour
	}
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is no time", s)
	}
	return d, err
}
