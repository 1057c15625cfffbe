package firewall

import "iter"

// Ruleset is a set of valid rules, ready to decide. It is immutable; the zero
// Ruleset has no rules and decides nothing.
type Ruleset struct {
	rules    shards[RuleID, *Rule]    // by ID
	enabled  shards[name, [2][]*Rule] // by what they name, then Direction, in the order in which they decide
	paths    []string                 // the keys of enabled that are paths, in order
	runners  []string                 // the paths of the interpreters that keys of enabled name, in order
	tallies  [2]tally                 // by Direction
	proposed int
	zones    Zones
}

// In returns the set with the zones that its rules are about.
func (rs Ruleset) In(z Zones) Ruleset {
	rs.zones = z
	return rs
}

// Zones are those that the rules are about.
func (rs Ruleset) Zones() Zones { return rs.zones }

// NewRuleset validates the rules and orders them: rules that name the program
// before rules for any program, narrower before wider, block before allow
// among equals. With [Ruleset.Change] it is the only way into force, and
// refuses the whole set if one rule is invalid.
func NewRuleset(rules ...Rule) (Ruleset, error) {
	return Ruleset{}.Change(rules, nil)
}

// Len is the number of rules, disabled ones included.
func (rs Ruleset) Len() int { return rs.rules.count }

// Proposed is the number of rules that wait for the person to confirm them.
func (rs Ruleset) Proposed() int { return rs.proposed }

// All gives all rules, disabled ones included, in no order.
func (rs Ruleset) All() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for r := range rs.rules.all() {
			if !yield(*r) {
				return
			}
		}
	}
}

// Rule returns the rule with the ID; ok is false if there is none.
func (rs Ruleset) Rule(id RuleID) (r Rule, ok bool) {
	if p, ok := rs.rules.get(id); ok {
		return *p, true
	}
	return r, false
}

// Like returns an enabled rule that says the same as r, whatever its ID, note
// and use; ok is false if there is none.
func (rs Ruleset) Like(r Rule) (found Rule, ok bool) {
	for _, have := range rs.of(r.name(), r.Direction) {
		like := r
		like.ID, like.Builtin, like.Proposed, like.Note, like.By = have.ID, have.Builtin, have.Proposed, have.Note, have.By
		like.Learned, like.PassLock = have.Learned, have.PassLock
		like.Created, like.LastUsed, like.Hits = have.Created, have.LastUsed, have.Hits
		if like == *have {
			return *have, true
		}
	}
	return found, false
}

// Names tells whether an enabled rule names the program with this ID.
func (rs Ruleset) Names(program string) bool {
	n, err := parseName(program)
	if err != nil {
		return false
	}
	_, named := rs.enabled.get(n)
	return named
}

// of returns the enabled rules that name programs so, in the order in which
// they decide.
func (rs Ruleset) of(n name, d Direction) []*Rule {
	lists, _ := rs.enabled.get(n)
	if int(d) >= len(lists) {
		return nil
	}
	return lists[d]
}

// Decide returns what the first matching rule says, which may be [Ask]; ok is
// false if none matches. The decision's scope and bounds say for which other
// attempts the answer is the same, also if ok is false. The cost does not
// depend on the rules of other programs.
func (rs Ruleset) Decide(a Attempt) (d Decision, ok bool) {
	a = a.normal()
	a.Zone = rs.zones.Of(a.Remote.Addr())
	names, identified := a.Program.names()
	d.Scope = ThisProgram
	d.Bounds.Zone = rs.zones.blocked > 0 // to an address of that zone it is another
	if !identified {
		d.Scope = ThisFlow // nobody knows which other flows are this program's
	}
	for _, n := range names {
		if n.kind == namesNothing {
			continue
		}
		for _, r := range rs.of(n, a.Direction) {
			if !r.isFor(&a.Program, n, identified) || r.over(&a) {
				continue
			}
			// Another attempt gets past this rule too only if it is alike in
			// everything that the rule asks for.
			if r.meets(&a) {
				d.hold(r.holds(&a))
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
		Mode:         m,
		FailOpen:     failOpen,
		Loopback:     m == ModeOff || m == ModeLock || rs.exempts(Out),
		Programs:     rs.paths,
		Inbound:      m == ModeOff || m != ModeLock && rs.exempts(In) && rs.zones.blocked == 0,
		Interpreters: rs.runners,
		Scripts:      rs.tallies[Out].scripts+rs.tallies[In].scripts > 0,
		LoopbackRule: m != ModeOff && m != ModeLock && rs.tallies[Out].loopback+rs.tallies[In].loopback > 0,
		PassLock:     m == ModeLock && rs.passesLock(),
		Users:        rs.tallies[Out].users+rs.tallies[In].users > 0,
		Zones:        rs.zones,
		Starters:     rs.tallies[Out].starters+rs.tallies[In].starters > 0,
		Signers:      rs.tallies[Out].signers+rs.tallies[In].signers > 0,
	}
}

// passesLock tells whether anything but loopback may pass in mode lock.
func (rs Ruleset) passesLock() bool { return rs.tallies[Out].passing > 0 }

// timed tells whether an enabled rule ends by the clock that nobody can set.
func (rs Ruleset) timed() bool { return rs.tallies[Out].timed+rs.tallies[In].timed > 0 }

// exempts tells whether every flow of the direction is allowed, whatever the
// program, and if it is outgoing, to this computer itself. It may say no where
// a closer look would say yes.
func (rs Ruleset) exempts(d Direction) bool {
	return rs.tallies[d].strict == 0 && rs.tallies[d].bare > 0
}
