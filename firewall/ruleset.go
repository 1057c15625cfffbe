package firewall

import (
	"fmt"
	"maps"
	"slices"
)

// Ruleset is a set of valid rules, ready to decide. It is immutable; the zero
// Ruleset decides nothing.
type Ruleset struct {
	rules    map[subject][]Rule // enabled rules, in the order in which they decide
	programs []string           // the paths that these rules name, in order
}

// subject is what rules are looked up by.
type subject struct {
	program   string // as in Rule.Program
	direction Direction
}

// NewRuleset validates the rules and orders them: rules that name the program
// before rules for any program, narrower before wider, block before allow
// among equals. It is the only way into force, and refuses the whole set if
// one rule is invalid.
func NewRuleset(rules ...Rule) (Ruleset, error) {
	rs := Ruleset{rules: make(map[subject][]Rule)}
	seen := make(map[RuleID]bool, len(rules))
	programs := make(map[string]bool)
	for _, r := range rules {
		if err := r.Validate(); err != nil {
			return Ruleset{}, fmt.Errorf("rule %q: %w", r.ID, err)
		}
		if seen[r.ID] {
			return Ruleset{}, fmt.Errorf("rule %q: another rule has this id", r.ID)
		}
		seen[r.ID] = true
		if !r.Disabled {
			s := subject{r.Program, r.Direction}
			rs.rules[s] = append(rs.rules[s], r)
			if isPath(r.Program) {
				programs[r.Program] = true
			}
		}
	}
	rs.programs = slices.Sorted(maps.Keys(programs))
	for _, list := range rs.rules {
		slices.SortFunc(list, compare)
	}
	return rs, nil
}

// Decide returns what the first matching rule says, which may be [Ask]; ok is
// false if none matches. The decision's scope and bounds say for which other
// attempts the answer is the same, also if ok is false. The cost does not
// depend on the rules of other programs.
func (rs Ruleset) Decide(a Attempt) (d Decision, ok bool) {
	a = a.normal()
	id := a.Program.ID()
	d.Scope = ThisProgram
	if id == "" {
		d.Scope = ThisFlow // nobody knows which other flows are this program's
	}
	for _, program := range [...]string{id, AnyProgram} {
		list := rs.rules[subject{program, a.Direction}]
		for i := range list {
			r := &list[i]
			if !r.names(id) || r.over(a.Time) {
				continue
			}
			// Another attempt gets past this rule too only if it is alike in
			// everything that the rule asks for.
			if r.meets(&a) {
				d.hold(r.holds())
				d.Verdict, d.Reason, d.Rule = r.Verdict, ByRule, r.ID
				return d, true
			}
			d.hold(r.misses(&a))
		}
	}
	return d, false
}

// hold narrows a decision to what a rule, met or missed, lets be known.
func (d *Decision) hold(s Scope, b Bounds) {
	d.Scope, d.Bounds = min(d.Scope, s), d.Bounds.and(b)
}

// Policy says what a backend must know of the rules besides single decisions.
func (rs Ruleset) Policy(m Mode, failOpen bool) Policy {
	return Policy{
		Mode:     m,
		FailOpen: failOpen,
		Loopback: m == ModeOff || m == ModeLock || rs.allows(Out, Loopback),
		Programs: rs.programs,
		Inbound:  m == ModeOff || m != ModeLock && rs.allows(In, AnyPlace),
	}
}

// allows tells whether every flow with this direction and place is allowed,
// whatever the program. It may say no where a closer look would say yes.
func (rs Ruleset) allows(dir Direction, p Place) bool {
	whole := false
	for s, list := range rs.rules {
		if s.direction != dir {
			continue
		}
		for i := range list {
			r := list[i]
			if r.Verdict != Allow {
				return false
			}
			bare := Rule{ID: r.ID, Program: AnyProgram, Direction: dir, Place: p, Builtin: true,
				Verdict: Allow, Note: r.Note, Created: r.Created, LastUsed: r.LastUsed, Hits: r.Hits}
			whole = whole || r == bare
		}
	}
	return whole
}
