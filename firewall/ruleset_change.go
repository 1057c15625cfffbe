package firewall

import (
	"fmt"
	"maps"
	"slices"
)

// Change returns the set without the rules that have one of the ids in remove,
// and with those of put, each in the place of the one that has its id; a rule
// in both is put. An id that no rule has is no error. If a rule of put is
// invalid, nothing is changed. The cost depends on what is changed and on the
// rules of the same programs, not on all rules.
func (rs Ruleset) Change(put []Rule, remove []RuleID) (Ruleset, error) {
	seen := make(map[RuleID]bool, len(put))
	for i := range put {
		r := &put[i]
		if err := r.Validate(); err != nil {
			return rs, fmt.Errorf("rule %q: %w", r.ID, err)
		}
		if seen[r.ID] {
			return rs, fmt.Errorf("rule %q: another rule has this id", r.ID)
		}
		seen[r.ID] = true
	}
	c := change{from: rs, rules: rs.rules.draft(), tallies: rs.tallies, proposed: rs.proposed, edits: make(map[subject]*edit)}
	for _, id := range remove {
		c.remove(id)
	}
	for _, r := range put {
		c.remove(r.ID)
		c.put(&r)
	}
	return c.done(), nil
}

// subject is what rules are ordered among: those of one program and direction.
type subject struct {
	name      name
	direction Direction
}

// change is a set of rules that is being made from another.
type change struct {
	from     Ruleset
	rules    *draft[RuleID, *Rule]
	tallies  [2]tally
	proposed int
	edits    map[subject]*edit
}

// edit is what changes in the enabled rules of one subject.
type edit struct {
	gone map[*Rule]bool
	come []*Rule
}

func (c *change) edit(r *Rule) *edit {
	s := subject{r.name(), r.Direction}
	e := c.edits[s]
	if e == nil {
		e = &edit{gone: make(map[*Rule]bool)}
		c.edits[s] = e
	}
	return e
}

func (c *change) remove(id RuleID) {
	r, ok := c.rules.get(id)
	if !ok {
		return
	}
	c.rules.remove(id)
	if r.Proposed {
		c.proposed--
	}
	if !r.Disabled {
		c.edit(r).gone[r] = true
		c.tallies[r.Direction].count(r, -1)
	}
}

func (c *change) put(r *Rule) {
	c.rules.set(r.ID, r)
	if r.Proposed {
		c.proposed++
	}
	if !r.Disabled {
		e := c.edit(r)
		e.come = append(e.come, r)
		c.tallies[r.Direction].count(r, 1)
	}
}

// done puts the edited rules into their order.
func (c *change) done() Ruleset {
	enabled := c.from.enabled.draft()
	moved := make(map[name]int) // 1 came, -1 went
	for s, e := range c.edits {
		lists, before := enabled.get(s.name)
		list := lists[s.direction]
		if len(e.gone) > 0 {
			list = slices.DeleteFunc(slices.Clone(list), func(r *Rule) bool { return e.gone[r] })
		}
		lists[s.direction] = merge(list, e.come)
		after := len(lists[Out])+len(lists[In]) > 0
		if after {
			enabled.set(s.name, lists)
		} else {
			enabled.remove(s.name)
		}
		if after && !before {
			moved[s.name]++
		} else if before && !after {
			moved[s.name]-- // it may come back with the other direction
		}
	}
	return Ruleset{
		rules: c.rules.shards, enabled: enabled.shards, paths: changePaths(c.from.paths, moved),
		runners: changeRunners(c.from.runners, enabled.shards, moved), tallies: c.tallies, proposed: c.proposed,
		zones: c.from.zones,
	}
}

// changeRunners returns the paths of the interpreters that rules name with a
// script. Few rules do: they are collected anew when one comes or goes.
func changeRunners(runners []string, enabled shards[name, [2][]*Rule], moved map[name]int) []string {
	runs := func(n name) bool { return n.kind == namesScript && isPath(n.detail) }
	any := false
	for n := range moved {
		any = any || runs(n)
	}
	if !any {
		return runners
	}
	found := make(map[string]bool)
	for lists := range enabled.all() {
		for _, list := range lists {
			if len(list) > 0 && runs(list[0].name()) {
				found[list[0].name().detail] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// changePaths returns the ordered paths with those more that came, and without
// those that went.
func changePaths(paths []string, moved map[name]int) []string {
	sign := make(map[string]int)
	for n, m := range moved {
		if m != 0 && n.kind == namesFile && isFile(n.text) {
			sign[n.text] = m
		}
	}
	if len(sign) == 0 {
		return paths
	}
	changed := make([]string, 0, len(paths)+len(sign))
	for _, p := range slices.Sorted(maps.Keys(sign)) {
		i, _ := slices.BinarySearch(paths, p)
		changed = append(changed, paths[:i]...)
		if sign[p] > 0 {
			changed = append(changed, p)
		} else {
			i++
		}
		paths = paths[i:]
	}
	return append(changed, paths...)
}

// merge returns a new list with the rules of both, in the order in which they
// decide, which list is in. It compares few rules if there are few more.
func merge(list, more []*Rule) []*Rule {
	order := func(a, b *Rule) int { return compare(*a, *b) }
	slices.SortFunc(more, order)
	merged := make([]*Rule, 0, len(list)+len(more))
	for _, r := range more {
		i, _ := slices.BinarySearchFunc(list, r, order)
		merged = append(append(merged, list[:i]...), r)
		list = list[i:]
	}
	return append(merged, list...)
}

// tally counts enabled rules of a direction by what they say of all flows.
type tally struct {
	strict   int // those that do not allow
	loopback int // of these, those about loopback in particular
	scripts  int // those that name a script or inline code
	bare     int // those that are all there is to exempt flows from being held
	starters int // those that depend on what started the process
	signers  int // those that name a signer and product
	users    int // those that depend on the user of the process
	passing  int // those that pass the lock
	timed    int // those that end by the clock that nobody can set
}

func (t *tally) count(r *Rule, n int) {
	if r.Verdict != Allow {
		t.strict += n
		// A prefix begins with its lowest address: a wider one with none of loopback.
		if r.Place == Loopback || r.Remote.Addr().IsLoopback() {
			t.loopback += n
		}
	}
	switch r.name().kind {
	case namesScript, namesInline:
		t.scripts += n
	case namesSigned:
		t.signers += n
	}
	if r.exempts() {
		t.bare += n
	}
	if r.StartedBy != "" {
		t.starters += n
	}
	if r.User != "" {
		t.users += n
	}
	if r.PassLock {
		t.passing += n
	}
	if r.Until.Uptime != 0 {
		t.timed += n
	}
}

// exempts tells whether the rule allows all flows of its direction, which for
// outgoing ones means those that stay on this computer, to every program.
func (r *Rule) exempts() bool {
	place := Loopback
	if r.Direction == In {
		place = AnyPlace
	}
	bare := Rule{ID: r.ID, Program: AnyProgram, Direction: r.Direction, Place: place, Builtin: true,
		Verdict: Allow, Note: r.Note, By: r.By, Created: r.Created, LastUsed: r.LastUsed, Hits: r.Hits}
	return *r == bare
}
