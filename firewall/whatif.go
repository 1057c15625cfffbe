package firewall

import (
	"cmp"
	"slices"
)

// maxHosts bounds the hosts that an effect counts, and with them its memory.
const maxHosts = 10_000

// maxExamples is how many of them it names.
const maxExamples = 5

// Effect is what other rules, or another mode, make of some attempts of a
// program: all that are decided the same way now, and the same other way then.
type Effect struct {
	Program       string // a Program's ID; "" if unidentified
	Name          string
	Direction     Direction
	Before, After Verdict // Ask: a person is asked
	Connections   int
	Hosts         int      // names, or else addresses; at most 10,000 are counted
	Examples      []string // the first of them
}

// Replay compares what two sets of rules and modes make of attempts that were
// made. It belongs to one goroutine.
type Replay struct {
	nowRules, thenRules Ruleset
	nowMode, thenMode   Mode
	effects             map[effectKey]*effect
	total               int
}

type effectKey struct {
	program       string
	direction     Direction
	before, after Verdict
}

type effect struct {
	Effect
	hosts map[string]bool
}

// NewReplay compares rules and mode as they are with those that are proposed.
func NewReplay(now Ruleset, nowMode Mode, then Ruleset, thenMode Mode) *Replay {
	return &Replay{nowRules: now, nowMode: nowMode, thenRules: then, thenMode: thenMode, effects: map[effectKey]*effect{}}
}

// Add looks at an entry of the log. That somebody was asked has an entry of its
// own beside the one of what came of it, and does not count.
func (r *Replay) Add(e Entry) {
	if e.Reason == Asked || e.Reason == NotParsed {
		return
	}
	n := max(1, e.Count)
	r.total += n
	before, after := r.nowMode.Decide(r.nowRules, e.Attempt).Verdict, r.thenMode.Decide(r.thenRules, e.Attempt).Verdict
	if before == after {
		return
	}
	key := effectKey{e.Program.ID(), e.Direction, before, after}
	f := r.effects[key]
	if f == nil {
		f = &effect{Effect{Program: key.program, Name: e.Program.Name(), Direction: key.direction, Before: before, After: after}, map[string]bool{}}
		r.effects[key] = f
	}
	f.Connections += n
	host := e.Host
	if host == "" && e.Remote.Addr().IsValid() {
		host = e.Remote.Addr().WithZone("").String()
	}
	if host != "" && !f.hosts[host] && len(f.hosts) < maxHosts {
		f.hosts[host] = true
		if len(f.Examples) < maxExamples {
			f.Examples = append(f.Examples, host)
		}
	}
}

// Connections is how many were looked at.
func (r *Replay) Connections() int { return r.total }

// Effects returns what would be decided otherwise: what would be blocked first,
// then what would be asked about; the most connections first.
func (r *Replay) Effects() []Effect {
	all := make([]Effect, 0, len(r.effects))
	for _, f := range r.effects {
		f.Hosts = len(f.hosts)
		all = append(all, f.Effect)
	}
	slices.SortFunc(all, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(precedence[a.After], precedence[b.After]), cmp.Compare(b.Connections, a.Connections),
			cmp.Compare(a.Program, b.Program), cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Before, b.Before))
	})
	return all
}
