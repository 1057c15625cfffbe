package app

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// permissions are what a program may do, zone by zone: a line of the table.
type permissions struct {
	Program string   `json:"program"`
	Access  byZone   `json:"access"` // to others
	Server  byZone   `json:"server"` // for others
	Partly  []string `json:"partly"` // the narrower rules, by ID, which the table does not tell
}

// byZone is "allow", "block" or "ask", or what the mode does with what no rule
// decides.
type byZone struct {
	Trusted  string `json:"trusted"`
	Internet string `json:"internet"`
}

func tableCommand(e *env) *cobra.Command {
	return withJSON(&cobra.Command{
		Use: "table", Short: "Show what programs may do: connect to, and serve, trusted networks and the internet", Args: arguments(0, 0, ""),
		Long: `Show what programs may do: connect to (access), and accept connections from (server),
trusted networks and the internet. A star marks programs with narrower rules, for hosts,
ports and the like, which count before what the table says.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, c := cmd.Context(), e.client()
			rules, err := c.Rules(ctx)
			if err != nil {
				return err
			}
			status, err := c.Status(ctx)
			if err != nil {
				return err
			}
			t := &table{env: e}
			t.row("PROGRAM", "ACCESS TRUSTED", "ACCESS INTERNET", "SERVER TRUSTED", "SERVER INTERNET")
			for _, p := range permissionsOf(rules, status.Mode) {
				if e.json {
					if err := e.printJSON(p); err != nil {
						return err
					}
					continue
				}
				name := p.Program
				if name == firewall.AnyProgram {
					name = "any other program"
				}
				if len(p.Partly) > 0 {
					name += " *"
				}
				t.row(name, p.Access.Trusted, p.Access.Internet, p.Server.Trusted, p.Server.Internet)
			}
			if !e.json {
				t.print()
				fmt.Fprintf(e.out, "mode %s\n", status.Mode)
			}
			return nil
		},
	})
}

// permissionsOf makes the table of the rules that are in force; the last line
// is of any other program.
func permissionsOf(rules []ui.Rule, m firewall.Mode) (all []permissions) {
	of := make(map[string][]ui.Rule)
	for _, r := range rules {
		if r.Enabled && !r.Builtin {
			of[r.Program] = append(of[r.Program], r)
		}
	}
	programs := []string{firewall.AnyProgram}
	for p := range of {
		if p != firewall.AnyProgram {
			programs = append(programs, p)
		}
	}
	slices.SortFunc(programs, func(a, b string) int {
		switch {
		case a == firewall.AnyProgram:
			return 1
		case b == firewall.AnyProgram:
			return -1
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	anybody := of[firewall.AnyProgram]
	for _, p := range programs {
		zones := func(d firewall.Direction) byZone {
			one := func(zone string) string {
				for _, list := range [][]ui.Rule{of[p], anybody} {
					r, ok := whole(list, d, zone)
					switch {
					case !ok:
						continue
					case m == firewall.ModeLock && !r.PassLock, m == firewall.ModeBlock && r.Verdict == firewall.Ask:
						return "block"
					}
					return r.Verdict.String()
				}
				switch m {
				case firewall.ModeOff, firewall.ModeAllow, firewall.ModeLearn:
					return "allow"
				case firewall.ModeAsk:
					return "ask"
				}
				return "block"
			}
			return byZone{one("trusted"), one("internet")}
		}
		line := permissions{Program: p, Access: zones(firewall.Out), Server: zones(firewall.In), Partly: []string{}}
		if m == firewall.ModeOff {
			line.Access, line.Server = byZone{"allow", "allow"}, byZone{"allow", "allow"}
		}
		for _, r := range of[p] {
			if !isWhole(r) {
				line.Partly = append(line.Partly, r.ID)
			}
		}
		all = append(all, line)
	}
	return all
}

// isWhole tells whether a rule has no condition but direction and zone.
func isWhole(r ui.Rule) bool {
	bare := ui.Rule{ID: r.ID, Program: r.Program, Direction: r.Direction, Verdict: r.Verdict, Until: r.Until, Enabled: r.Enabled, Builtin: r.Builtin,
		Proposed: r.Proposed, Learned: r.Learned, PassLock: r.PassLock, Note: r.Note, By: r.By, ByUser: r.ByUser, Created: r.Created, LastUsed: r.LastUsed, Hits: r.Hits}
	if r.Remote == "trusted" || r.Remote == "internet" {
		bare.Remote = r.Remote
	}
	return r == bare && r.Until == "always"
}

// whole is what the rules decide of all flows of a direction with a zone: one
// for the zone before one for all, and among equals block before ask before
// allow, as [firewall.Ruleset.Decide] has it.
func whole(rules []ui.Rule, d firewall.Direction, zone string) (r ui.Rule, ok bool) {
	for _, remote := range []string{zone, ""} {
		for _, v := range []firewall.Verdict{firewall.Block, firewall.Ask, firewall.Allow} {
			for _, r := range rules {
				if r.Direction == d && r.Remote == remote && r.Verdict == v && isWhole(r) {
					return r, true
				}
			}
		}
	}
	return ui.Rule{}, false
}
