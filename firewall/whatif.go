package firewall

import (
	"cmp"
	"slices"
)

// Bounds of a replay, and with them of its memory.
const (
	maxHosts    = 50_000 // that are counted, of all effects together
	maxEffects  = 5_000  // those of further programs are counted as one
	maxExamples = 5      // hosts that an effect names
)

// otherPrograms is what the programs are called that have no effect of their own.
const otherPrograms = "other programs"

// Effect is what other rules, or another mode, make of some attempts of a
// program: all that are decided the same way now, and the same other way then.
type Effect struct {
	Program       string // a Program's ID; "" if unidentified
	Name          string
	Direction     Direction
	Before, After Verdict // Ask: a person is asked
	Connections   int
	Hosts         int      // names, or else addresses; there may be more if there are very many
	Examples      []string // the first of them
}

// Replay compares what two sets of rules and modes make of attempts that were
// made. It belongs to one goroutine.
type Replay struct {
	nowRules, thenRules Ruleset
	nowMode, thenMode   Mode
	effects             map[effectKey]*effect
	total, hosts        int
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
	if f == nil && len(r.effects) >= maxEffects {
		key.program = otherPrograms
		e.Program = Program{Path: otherPrograms}
		f = r.effects[key]
	}
	if f == nil {
		f = &effect{Effect{Program: key.program, Name: e.Program.Name(), Direction: key.direction, Before: before, After: after}, map[string]bool{}}
		r.effects[key] = f
	}
	f.Connections += n
	host := e.Host
	if host == "" && e.Remote.Addr().IsValid() {
		host = e.Remote.Addr().WithZone("").String()
	}
	if host != "" && !f.hosts[host] && r.hosts < maxHosts {
		f.hosts[host] = true
		r.hosts++
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
