package app

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func rulesCommand(e *env) *cobra.Command {
	var l ruleList
	list := func(cmd *cobra.Command, _ []string) error { return e.listRules(cmd.Context(), l) }
	c := withJSON(&cobra.Command{
		Use: "rules", Short: "Show, add and change rules", RunE: list,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("rules has no command %q: want list, add, change, remove, enable, disable, pass-lock, no-pass-lock, confirm, clean, export or import", args[0])
			}
			return nil
		},
	})
	below := withJSON(&cobra.Command{Use: "list", Short: "Show the rules", Args: arguments(0, 0, ""), RunE: list})
	for _, with := range []*cobra.Command{c, below} {
		l.flags(with)
	}
	c.AddCommand(below, addRuleCommand(e), changeRuleCommand(e), removeRuleCommand(e),
		changeRulesCommand(e, "enable", "Put rules into force again", func(r *ui.Rule) { r.Enabled = true }),
		changeRulesCommand(e, "disable", "Keep rules without force", func(r *ui.Rule) { r.Enabled = false }),
		changeRulesCommand(e, "pass-lock", "Have what rules allow pass also in mode lock", func(r *ui.Rule) { r.PassLock = true }),
		changeRulesCommand(e, "no-pass-lock", "Have mode lock block what rules allow", func(r *ui.Rule) { r.PassLock = false }),
		confirmCommand(e), cleanRulesCommand(e), exportCommand(e), importCommand(e))
	return c
}

func ruleRow(r ui.Rule) []string {
	where := "anywhere"
	if to := cmp.Or(r.Host, r.Remote); to != "" || r.Port != 0 || r.LocalPort != 0 || r.Protocol != firewall.AnyProtocol {
		where = cmp.Or(to, "anywhere")
		if r.Port != 0 {
			where += " port " + ports(r)
		}
		switch {
		case r.LocalPort == 0:
		case r.Direction == firewall.In:
			where += " at port " + strconv.Itoa(int(r.LocalPort))
		default:
			where += " from port " + strconv.Itoa(int(r.LocalPort))
		}
		if r.Protocol != firewall.AnyProtocol {
			where += " " + r.Protocol.String()
		}
		if r.ICMPType != 0 {
			where += " " + r.ICMPType.String()
		}
	}
	if r.Direction == firewall.In {
		where += " in"
	}
	if r.User != "" {
		where += " of user " + r.User
	}
	if r.PassLock {
		where += ", also when locked"
	}
	if r.StartedBy != "" {
		where += " when started by " + r.StartedBy
	}
	state := "in force"
	switch {
	case !r.Enabled:
		state = "disabled"
	case r.Proposed:
		state = "proposed"
	case r.Learned:
		state = "learned"
	}
	program := r.Program
	if program == firewall.AnyProgram {
		program = "any program"
	}
	return []string{r.ID, r.Verdict.String(), program, where, r.Until, state, strconv.FormatUint(r.Hits, 10), r.Note}
}

func addRuleCommand(e *env) *cobra.Command {
	var r ui.Rule
	var verdict, protocol, direction, lasts, port, user, icmp string
	var named programFlags
	var dry *bool
	c := withJSON(&cobra.Command{
		Use: "add --program PATH --verdict allow|block|ask", Short: "Add a rule", Args: arguments(0, 0, ""),
		Example: "  sallyport rules add --program /usr/bin/curl --verdict allow --host example.org --port 443\n" +
			"  sallyport rules add --program /usr/bin/python3 --script /home/u/backup.py --verdict allow\n" +
			"  sallyport rules add --signer \"Mozilla Corporation\" --product Firefox --verdict allow",
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := named.text()
			if err != nil {
				return usageError{err}
			}
			if r.Program = program; program == "" || verdict == "" {
				return usagef("rules add needs --program and --verdict\nSee: sallyport rules add --help")
			}
			for _, read := range []error{r.Verdict.UnmarshalText([]byte(verdict)), r.Protocol.UnmarshalText([]byte(protocol)), r.Direction.UnmarshalText([]byte(direction))} {
				if read != nil {
					return usageError{read}
				}
			}
			if lasts == "once" {
				return usagef("--for once: a rule lasts; want always, exit:PID, restart or a duration such as 1h")
			}
			if err := ownPath("--program", named.program); err != nil {
				return usageError{err}
			}
			if err := ownPath("--started-by", r.StartedBy); err != nil {
				return usageError{err}
			}
			if err = r.ICMPType.UnmarshalText([]byte(icmp)); err != nil {
				return usageError{err}
			}
			if r.Port, r.PortTo, err = portsIn(port); err != nil {
				return usageError{err}
			}
			if r.User, err = userIn(user); err != nil {
				return usageError{err}
			}
			r.Until, r.Enabled = lasts, true
			in, err := ruleIn(r)
			if err != nil {
				return usageError{err}
			}
			if err := validate(in); err != nil {
				return usageError{err}
			}
			r.Until = untilOut(in.Until)
			if *dry {
				return e.forecast(cmd, ui.Proposal{Put: []ui.Rule{r}})
			}
			stored, err := e.client().AddRule(cmd.Context(), r)
			if err != nil {
				return asUsage(err)
			}
			if e.json {
				return e.printJSON(stored)
			}
			fmt.Fprintln(e.out, stored.ID)
			return nil
		},
	})
	dry = dryRunFlag(c)
	f := c.Flags()
	named.add(c)
	f.StringVar(&verdict, "verdict", "", "allow, block or ask")
	f.StringVar(&r.Remote, "remote", "", "address or prefix such as 10.0.0.0/8, loopback, or resolvers")
	f.StringVar(&r.Host, "host", "", "host name, or *.example.org for every name below it")
	f.StringVar(&port, "port", "", "remote port, or a range of them such as 8000-8999")
	f.StringVar(&icmp, "icmp-type", "", "with --protocol icmp: its type, a name such as echo-request, or a number")
	f.StringVar(&user, "user", "", "only of this user: a name, a number, or a SID")
	f.StringVar(&protocol, "protocol", "", "tcp, udp, icmp, another name, or a number")
	f.StringVar(&r.StartedBy, "started-by", "", "only when this script or program (its path) started it")
	f.StringVar(&direction, "direction", "out", "out, or in")
	f.StringVar(&lasts, "for", "always", "how long: always, exit:PID, restart (of the computer), or a duration such as 1h")
	f.BoolVar(&r.PassLock, "pass-lock", false, "what it allows passes also in mode lock")
	f.StringVar(&r.Note, "note", "", "a remark")
	return c
}

func removeRuleCommand(e *env) *cobra.Command {
	return rulesNamedCommand(e, "remove", "Remove rules", func(rules []ui.Rule) ui.Proposal {
		var p ui.Proposal
		for _, r := range rules {
			p.Remove = append(p.Remove, r.ID)
		}
		return p
	})
}

// changeRulesCommand changes the rules named in the same way.
func changeRulesCommand(e *env, name, short string, change func(*ui.Rule)) *cobra.Command {
	return rulesNamedCommand(e, name, short, func(rules []ui.Rule) ui.Proposal {
		var p ui.Proposal
		for _, r := range rules {
			change(&r)
			p.Put = append(p.Put, r)
		}
		return p
	})
}

// rulesNamedCommand makes the change that is proposed for the rules named, if
// there are all of them.
func rulesNamedCommand(e *env, name, short string, propose func([]ui.Rule) ui.Proposal) *cobra.Command {
	var dry *bool
	c := withJSON(&cobra.Command{
		Use: name + " ID…", Short: short, Args: arguments(1, 1<<20, "the ID of a rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := e.client()
			rules, err := c.Rules(cmd.Context())
			if err != nil {
				return err
			}
			byID := make(map[string]ui.Rule, len(rules))
			for _, r := range rules {
				byID[r.ID] = r
			}
			var named []ui.Rule
			for _, id := range args {
				r, ok := byID[id]
				if !ok {
					return noRule(id)
				}
				if !slices.ContainsFunc(named, func(r ui.Rule) bool { return r.ID == id }) {
					named = append(named, r)
				}
			}
			p := propose(named)
			if *dry {
				return e.forecast(cmd, p)
			}
			if len(p.Remove) > 0 {
				if err := c.RemoveRule(cmd.Context(), p.Remove...); err != nil {
					return err
				}
			}
			for _, r := range p.Put {
				if err := c.ChangeRule(cmd.Context(), r); err != nil {
					return asUsage(err)
				}
			}
			if !e.json {
				return nil
			}
			for _, r := range slices.Concat(p.Put, named[:len(p.Remove)]) {
				if err := e.printJSON(r); err != nil {
					return err
				}
			}
			return nil
		},
	})
	dry = dryRunFlag(c)
	return c
}

func confirmCommand(e *env) *cobra.Command {
	var all bool
	var block []string
	c := &cobra.Command{
		Use: "confirm --all | ID…", Short: "Confirm the rules proposed for programs seen before asking began",
		Long: "Confirm the rules proposed for programs seen before asking began. The rules named\nare kept; those not named are removed, so that their programs are asked about.",
		Args: arguments(0, 1<<20, "IDs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args)+len(block) > 0) {
				return usagef("rules confirm needs either --all, or the IDs of the rules to keep: list them with: sallyport rules list --proposed")
			}
			c := e.client()
			if all {
				rules, err := c.Rules(cmd.Context())
				if err != nil {
					return err
				}
				for _, r := range rules {
					if r.Proposed {
						args = append(args, r.ID)
					}
				}
			}
			if err := c.Confirm(cmd.Context(), args, block); err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%d allowed, %d blocked\n", len(args), len(block))
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "keep all of them")
	c.Flags().StringSliceVar(&block, "block", nil, "IDs whose programs are to be blocked")
	return c
}

// ownPath refuses a folder, and a path that leads to a program's file by links:
// the kernel names a program by the path of its file, so that such a rule would
// never match.
func ownPath(flag, program string) error {
	file, err := filepath.EvalSymlinks(program)
	if err != nil || !filepath.IsAbs(program) {
		return nil // what is not there may come
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("%s %s: that is a folder: name a program's file", flag, program)
	}
	if file != asWritten(program) {
		return fmt.Errorf("%s %s: that is a link, and its file is %s: name that one", flag, program, file)
	}
	return nil
}
