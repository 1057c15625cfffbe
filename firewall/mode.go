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
