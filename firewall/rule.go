package firewall

import (
	"net/netip"
	"time"
)

// RuleID names a rule for as long as it exists. Built-in rules have ids that
// start with "builtin-".
type RuleID string

// Expiry says how long a rule lasts. The zero Expiry is always.
type Expiry struct {
	// Exit binds the rule to one process (PID and Started) and ends with it.
	// "Once" is no expiry: such an answer makes no rule.
	Exit    bool
	PID     int
	Started time.Time
	// At ends the rule at a time; zero is never.
	At time.Time
}

// Rule says what happens to the flows that it matches. Empty conditions match
// everything, save Program: it is required, and [AnyProgram] is "*".
type Rule struct {
	ID        RuleID
	Program   string // a Program's ID, or AnyProgram
	Direction Direction
	Protocol  Protocol     // AnyProtocol matches all
	Remote    netip.Prefix // the zero Prefix matches all
	Place     Place        // AnyPlace matches all
	Host      string       // lower case, without the final dot; "" matches all
	Port      uint16       // remote port; 0 matches all
	LocalPort uint16       // 0 matches all
	Verdict   Verdict
	Until     Expiry
	Disabled  bool
	Builtin   bool
	// Proposed rules were made for programs seen while the mode was allow and
	// still wait for the person to confirm them.
	Proposed bool
	Note     string
	Created  time.Time
	LastUsed time.Time
	Hits     uint64
}
