package firewall

import (
	"fmt"
	"strings"
	"time"
)

// Verdict is what happens to a flow. Zero is [Block]: a forgotten assignment
// fails closed.
type Verdict uint8

const (
	Block Verdict = iota
	Allow
	// Ask is the verdict of a rule only: ask each time, even if a wider rule
	// would decide.
	Ask
)

var verdictNames = [...]string{Block: "block", Allow: "allow", Ask: "ask"}

// String gives "block", "allow" or "ask".
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "block"
}

// MarshalText writes the verdict as [Verdict.String] does.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads "allow", "block" or "ask".
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if strings.EqualFold(name, string(text)) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("verdict %q: want allow, block or ask", text)
}

// Scope says how widely a decision holds within its [Bounds], and so what a
// backend may cache. Zero is the narrowest.
type Scope uint8

const (
	// ThisFlow: only the flow that was judged.
	ThisFlow Scope = iota
	// ThisDestination: every flow of the program with this direction,
	// protocol, remote address and remote port, of ICMP with this type; of
	// inbound flows, with this local port: a client takes another port of its
	// own each time.
	ThisDestination
	// ThisProgram: every flow of the program with this direction. A decision
	// about an unidentified program has this scope only if the mode is off.
	ThisProgram
)

// Reason says why a flow was decided as it was. The values are what the log
// and the commands print.
type Reason string

const (
	ByRule       Reason = "rule"        // a rule, named by Decision.Rule
	ByAnswer     Reason = "answer"      // the person's answer, just this once
	ByMode       Reason = "mode"        // the mode: off, lock, allow, block
	ByZone       Reason = "zone"        // the remote is in the blocked zone
	Unanswered   Reason = "unanswered"  // nobody answered within the patience
	TooMany      Reason = "too many"    // more open questions or waiting flows than the engine holds
	Existing     Reason = "existing"    // the connection is older than the firewall
	Stopping     Reason = "stopping"    // the engine stopped while the flow waited
	HandedBack   Reason = "handed back" // the engine stopped, and the backend sent on what waited
	Overflow     Reason = "overflow"    // the backend's queue or tables were full
	NotParsed    Reason = "not parsed"  // the packet made no sense
	PassedOn     Reason = "passed on"   // another program or user sends by the socket of a flow decided before: Attempt.Socket tells who
	Gone         Reason = "gone"        // the program gave up before the answer came
	Asked        Reason = "asked"       // still waiting for an answer (verdict ask)
	ConfigChange Reason = "change"      // a change of rules, mode or settings, not a flow
)

// Decision is a verdict with its reason. The zero Decision blocks this flow.
type Decision struct {
	Verdict Verdict
	Reason  Reason
	Rule    RuleID // the deciding rule where Reason is ByRule
	Scope   Scope
	Bounds  Bounds
}

// Cuts tells whether the decision ends what is established: a rule or a zone
// blocks it. What only a mode blocks goes on.
func (d Decision) Cuts() bool {
	return d.Verdict == Block && (d.Reason == ByRule || d.Reason == ByZone)
}

// Bounds narrow further than its scope for which other attempts a decision is
// the same. The zero Bounds do not.
type Bounds struct {
	Zone    bool      // only for remotes of the same zone
	Process bool      // only for attempts of the same process (PID and Started)
	Host    bool      // only while the remote address has the same Host
	Until   time.Time // only before this time; zero: no end
}

// and returns the bounds of what depends on both.
func (b Bounds) and(o Bounds) Bounds {
	b.Zone = b.Zone || o.Zone
	b.Process = b.Process || o.Process
	b.Host = b.Host || o.Host
	if b.Until.IsZero() || !o.Until.IsZero() && o.Until.Before(b.Until) {
		b.Until = o.Until
	}
	return b
}
