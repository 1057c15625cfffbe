package importer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// candidate is a rule that can be imported.
type candidate struct {
	rule  firewall.Rule
	where string
	what  string // in the other program's words
	// rank is the place among the others in the other program: of two rules
	// that match, that of the lower rank decides there.
	rank int
}

// inOrder adds the candidates to the result. Here the narrower rule decides;
// where that lets a rule allow what another one blocks there, what both match
// is blocked too.
func (r *Result) inOrder(candidates []candidate) error {
	if len(candidates) > maxRules {
		return errTooMany
	}
	seen := map[firewall.Rule]bool{}
	var blocks, others []candidate
	for _, c := range candidates {
		switch before, dead := neverCounts(c, candidates); {
		case dead:
			r.leave(c.where, c.what, "it never counts there, since this comes before it: "+before.what)
			continue
		case c.rule.Disabled:
		case c.rule.Verdict == firewall.Block:
			blocks = append(blocks, c)
		default:
			others = append(others, c)
		}
		r.add(seen, c.rule)
	}
	var more []candidate
	for _, c := range others {
		for _, b := range blocks {
			if both, ok := common(c.rule, b.rule); ok && b.rank < c.rank && !isBlocked(c.rule, b.rule, both) {
				both.Note = printable(b.rule.Note+" (before "+c.what+")", 200)
				if r.add(seen, both) {
					b.rule = both
					more = append(more, b)
				}
				if len(r.Rules) > maxRules {
					return errTooMany
				}
			}
		}
	}
	for _, c := range others {
		for _, b := range slices.Concat(blocks, more) {
			if both, ok := common(c.rule, b.rule); ok && b.rank > c.rank && isBlocked(c.rule, b.rule, both) {
				r.leave(b.where, b.what, fmt.Sprintf("here it also blocks what is allowed before it (%s): the narrower rule counts, and of two alike the one that blocks", c.what))
			}
		}
	}
	return nil
}

// neverCounts tells whether another rule that comes before c matches all that
// it does.
func neverCounts(c candidate, all []candidate) (before candidate, dead bool) {
	if c.rule.Disabled {
		return before, false
	}
	for _, before := range all {
		if before.rank >= c.rank || before.rule.Disabled || before.rule.Until != (firewall.Expiry{}) {
			continue
		}
		if both, ok := common(c.rule, before.rule); ok && bare(both) == bare(c.rule) {
			return before, true
		}
	}
	return before, false
}

// bare is a rule's conditions as a comparable value.
func bare(r firewall.Rule) firewall.Rule {
	r.Verdict, r.Until, r.Note = firewall.Block, firewall.Expiry{}, ""
	return r
}

// add adds a rule unless there is one that says the same.
func (r *Result) add(seen map[firewall.Rule]bool, rule firewall.Rule) (added bool) {
	key := rule
	key.Note = ""
	if seen[key] {
		return false
	}
	seen[key] = true
	r.Rules = append(r.Rules, rule)
	return true
}

// common is the rule that blocks what both rules match; ok is false if that is
// nothing.
func common(a, b firewall.Rule) (both firewall.Rule, ok bool) {
	both = a
	both.Verdict, both.Until, both.Note = firewall.Block, b.Until, ""
	switch {
	case a.Direction != b.Direction:
		return both, false
	case a.Program == firewall.AnyProgram:
		both.Program = b.Program
	case b.Program != firewall.AnyProgram && !sameProgram(a.Program, b.Program):
		return both, false
	}
	switch {
	case !b.Remote.IsValid():
	case !a.Remote.IsValid(), a.Remote.Overlaps(b.Remote) && a.Remote.Bits() < b.Remote.Bits():
		both.Remote = b.Remote
	case !a.Remote.Overlaps(b.Remote):
		return both, false
	}
	if !narrow(&both.Protocol, b.Protocol) || !narrow(&both.Host, b.Host) || !narrow(&both.Port, b.Port) ||
		!narrow(&both.LocalPort, b.LocalPort) || !narrow(&both.Place, b.Place) {
		return both, false
	}
	named := both
	named.ID = "both"
	return both, named.Validate() == nil // ports and a protocol without any have nothing in common
}

// narrow makes a condition that may be empty one that is met only if both are.
func narrow[T comparable](condition *T, other T) bool {
	var none T
	if *condition == none {
		*condition = other
	}
	return other == none || *condition == other
}

// sameProgram compares as the system does: Windows has no regard to case.
func sameProgram(a, b string) bool {
	return a == b || strings.Contains(a, `\`) && strings.EqualFold(a, b)
}

// isBlocked tells what happens here to a flow that the rules both match.
func isBlocked(a, b, both firewall.Rule) bool {
	b.Program = either(b.Program, both.Program)
	a.Program = either(a.Program, both.Program)
	a.ID, b.ID, a.Until, b.Until = "a", "b", firewall.Expiry{}, firewall.Expiry{}
	rules, err := firewall.NewRuleset(a, b)
	if err != nil {
		return false
	}
	d, ok := rules.Decide(example(both))
	return ok && d.Verdict == firewall.Block
}

// either spells the program of a rule as the other one does.
func either(program, spelled string) string {
	if program == firewall.AnyProgram {
		return program
	}
	return spelled
}

// example is an attempt that the rule matches.
func example(r firewall.Rule) firewall.Attempt {
	a := firewall.Attempt{PID: 1, Time: time.Unix(1, 0), Place: r.Place, Host: r.Host, Program: firewall.Program{Kind: firewall.Executable, Path: r.Program}}
	switch service, ok := strings.CutPrefix(r.Program, "service:"); {
	case ok:
		a.Program.Kind = firewall.Hosted
		a.Program.Service, a.Program.Path, _ = strings.Cut(service, ":")
	case r.Program == firewall.KernelProgram:
		a.Program = firewall.Program{Kind: firewall.Kernel}
	case r.Program == firewall.AnyProgram:
		a.Program.Path = "/any"
	}
	a.Protocol, a.Direction = r.Protocol, r.Direction
	if a.Protocol == firewall.AnyProtocol {
		a.Protocol = firewall.TCP
	}
	remote := netip.MustParseAddr("192.0.2.1")
	switch {
	case r.Remote.IsValid():
		remote = r.Remote.Addr()
	case r.Place == firewall.Loopback:
		remote = netip.MustParseAddr("127.0.0.1")
	}
	a.Remote, a.Local = netip.AddrPortFrom(remote, r.Port), netip.AddrPortFrom(remote, r.LocalPort)
	return a
}
