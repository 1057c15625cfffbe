package firewall

import (
	"fmt"
	"strings"
)

// Mode says what happens to programs that no rule decides. The zero Mode asks.
type Mode uint8

const (
	ModeAsk   Mode = iota // hold and ask
	ModeAllow             // pass and collect
	ModeBlock             // block without asking, also what a rule asks about
	ModeOff               // everything passes, rules or not
	ModeLock              // nothing passes but loopback and what rules let pass the lock
	ModeLearn             // pass, and collect what to propose as rules
)

var modeNames = [...]string{ModeAsk: "ask", ModeAllow: "allow", ModeBlock: "block", ModeOff: "off", ModeLock: "lock", ModeLearn: "learn"}

// String gives "ask", "allow", "block", "off", "lock" or "learn".
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "lock"
}

// MarshalText writes the mode as [Mode.String] does.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if strings.EqualFold(name, string(text)) {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("mode %q: want %s", text, strings.Join(modeNames[:], ", "))
}

// judge decides an attempt by the mode and the rules; ok is false if a person
// is to be asked. Scope and bounds are those of [Ruleset.Decide] where rules
// count. A rule that asks does so in every mode that heeds rules but block:
// there it blocks.
func (m Mode) judge(rs Ruleset, a Attempt) (d Decision, ok bool) {
	switch m {
	case ModeOff:
		return Decision{Verdict: Allow, Reason: ByMode, Scope: ThisProgram}, true
	case ModeAsk, ModeAllow, ModeBlock, ModeLearn:
	default:
		return rs.locked(a), true
	}
	if rs.blocks(a) {
		d := Decision{Reason: ByZone, Scope: ThisProgram, Bounds: Bounds{Zone: true}}
		if _, identified := a.Program.names(); !identified {
			d.Scope = ThisFlow
		}
		return d, true
	}
	d, ok = rs.Decide(a)
	if ok && (d.Verdict != Ask || m != ModeBlock) {
		return d, d.Verdict != Ask
	}
	switch m {
	case ModeAllow, ModeLearn:
		d.Verdict, d.Reason = Allow, ByMode
		return d, true
	case ModeBlock:
		d.Verdict, d.Reason, d.Rule = Block, ByMode, ""
		return d, true
	}
	return d, false
}

// blocks tells whether the remote is in the zone of blocked addresses.
func (rs Ruleset) blocks(a Attempt) bool {
	return rs.zones.blocked > 0 && rs.zones.Of(a.Remote.Addr()) == BlockedZone
}

// locked decides in mode lock. What passes has a rule that says so, and which
// would decide without the lock.
func (rs Ruleset) locked(a Attempt) Decision {
	d := Decision{Verdict: Block, Reason: ByMode, Scope: ThisDestination}
	if a.loopback() {
		d.Verdict = Allow
		return d
	}
	if !rs.passesLock() || rs.blocks(a) {
		return d
	}
	by, ok := rs.Decide(a)
	if r, _ := rs.Rule(by.Rule); ok && by.Verdict == Allow && r.PassLock {
		return by
	}
	d.hold(by.Scope, by.Bounds)
	return d
}
