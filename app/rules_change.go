package app

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func changeRuleCommand(e *env) *cobra.Command {
	var verdict, protocol, lasts string
	var r ui.Rule
	var dry *bool
	c := withJSON(&cobra.Command{
		Use: "change ID", Short: "Change a rule, or the note on it", Args: arguments(1, 1, "the ID of a rule"),
		Example: "  sallyport rules change r7 --verdict block --dry-run\n  sallyport rules change r7 --note \"the printer; ask Anna\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			c := e.client()
			rules, err := c.Rules(cmd.Context())
			if err != nil {
				return err
			}
			i := slices.IndexFunc(rules, func(r ui.Rule) bool { return r.ID == args[0] })
			if i < 0 {
				return noRule(args[0])
			}
			changed, given := rules[i], false
			for flag, set := range map[string]func() error{
				"verdict":  func() error { return changed.Verdict.UnmarshalText([]byte(verdict)) },
				"protocol": func() error { return changed.Protocol.UnmarshalText([]byte(protocol)) },
				"remote":   func() error { changed.Remote = r.Remote; return nil },
				"host":     func() error { changed.Host = r.Host; return nil },
				"port":     func() error { changed.Port = r.Port; return nil },
				"note":     func() error { changed.Note = r.Note; return nil },
				"for":      func() error { changed.Until = lasts; return nil },
			} {
				if !cmd.Flags().Changed(flag) {
					continue
				}
				given = true
				if err := set(); err != nil {
					return usageError{err}
				}
			}
			if !given {
				return usagef("rules change needs what is to be other than it is\nSee: sallyport rules change --help")
			}
			if *dry {
				return e.forecast(cmd, ui.Proposal{Put: []ui.Rule{changed}})
			}
			if err := c.ChangeRule(cmd.Context(), changed); err != nil {
				return asUsage(err)
			}
			if e.json {
				return e.printJSON(changed)
			}
			fmt.Fprintln(e.out, changed.ID)
			return nil
		},
	})
	dry = dryRunFlag(c)
	f := c.Flags()
	f.StringVar(&verdict, "verdict", "", "allow, block or ask")
	f.StringVar(&r.Remote, "remote", "", "address or prefix such as 10.0.0.0/8, loopback, resolvers, or \"\" for any")
	f.StringVar(&r.Host, "host", "", "host name, or \"\" for any")
	f.Uint16Var(&r.Port, "port", 0, "remote port, or 0 for any")
	f.StringVar(&protocol, "protocol", "", "tcp, udp, icmp, another name, a number, or any")
	f.StringVar(&lasts, "for", "", "how long: always, exit:PID, or a duration such as 1h")
	f.StringVar(&r.Note, "note", "", "a remark")
	return c
}
