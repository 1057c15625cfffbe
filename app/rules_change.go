package app

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func changeRuleCommand(e *env) *cobra.Command {
	var verdict, protocol, lasts, port, icmp, user string
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
				"note":     func() error { changed.Note = r.Note; return nil },
				"for":      func() error { changed.Until = lasts; return nil },

				"port":      func() (err error) { changed.Port, changed.PortTo, err = portsIn(port); return err },
				"icmp-type": func() error { return changed.ICMPType.UnmarshalText([]byte(icmp)) },
				"user":      func() (err error) { changed.User, err = userIn(user); return err },
				"pass-lock": func() error { changed.PassLock = r.PassLock; return nil },
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
	f.StringVar(&r.Host, "host", "", "host name, *.example.org for every name below it, or \"\" for any")
	f.StringVar(&port, "port", "", "remote port, a range of them such as 8000-8999, or any")
	f.StringVar(&icmp, "icmp-type", "", "with protocol icmp: its type, a name such as echo-request, a number, or any")
	f.StringVar(&user, "user", "", "only of this user: a name, a number, a SID, or \"\" for any")
	f.BoolVar(&r.PassLock, "pass-lock", false, "what it allows passes also in mode lock; --pass-lock=false: it does not")
	f.StringVar(&protocol, "protocol", "", "tcp, udp, icmp, another name, a number, or any")
	f.StringVar(&lasts, "for", "", "how long: always, exit:PID, restart (of the computer), or a duration such as 1h")
	f.StringVar(&r.Note, "note", "", "a remark")
	return c
}
