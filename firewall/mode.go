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
	ModeBlock             // block without asking
	ModeOff               // everything passes, rules or not
	ModeLock              // nothing passes but loopback, rules or not
)

var modeNames = [...]string{ModeAsk: "ask", ModeAllow: "allow", ModeBlock: "block", ModeOff: "off", ModeLock: "lock"}

// String gives "ask", "allow", "block", "off" or "lock".
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
// count. A rule that asks does so in every mode that heeds rules.
func (m Mode) judge(rs Ruleset, a Attempt) (d Decision, ok bool) {
	switch m {
	case ModeOff:
		return Decision{Verdict: Allow, Reason: ByMode, Scope: ThisProgram}, true
	case ModeAsk, ModeAllow, ModeBlock:
	default:
		d = Decision{Verdict: Block, Reason: ByMode, Scope: ThisDestination}
		if a.loopback() {
			d.Verdict = Allow
		}
		return d, true
	}
	if rs.zones.blocked > 0 && rs.zones.Of(a.Remote.Addr()) == BlockedZone {
		d := Decision{Reason: ByZone, Scope: ThisProgram, Bounds: Bounds{Zone: true}}
		if _, identified := a.Program.names(); !identified {
			d.Scope = ThisFlow
		}
		return d, true
	}
	d, ok = rs.Decide(a)
	if ok {
		return d, d.Verdict != Ask
	}
	switch m {
	case ModeAllow:
		d.Verdict, d.Reason = Allow, ByMode
		return d, true
	case ModeBlock:
		d.Verdict, d.Reason = Block, ByMode
		return d, true
	}
	return d, false
}
