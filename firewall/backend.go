package firewall

import (
	"context"
	"errors"
	"time"
)

// ErrHandOver, as the cause of the end of [Backend.Run]'s context, leaves what
// is in force as it is, for the engine that follows.
var ErrHandOver = errors.New("the next engine takes over")

// Held is a flow whose first packet a backend holds back.
type Held struct {
	Attempt
	// Release ends the hold. The engine calls it exactly once, from any
	// goroutine, and never waits for it to act. It must not call the Sink: the
	// engine's goroutine may be the one that calls it.
	Release func(Decision)
	// Gone, if not nil, is closed when the program gave up: the engine then
	// stops waiting and calls Release with [Gone].
	Gone <-chan struct{}
}

// Policy is what a backend must know besides single decisions.
type Policy struct {
	Mode Mode
	// Until is when mode off ends by itself, by the clock on the wall as it is
	// set when the policy is applied; zero: never. What applies a policy then
	// comes; where it does not, the rules count again.
	Until    time.Time
	FailOpen bool // what happens to undecided flows while no engine runs
	// Loopback tells that loopback is decided without asking: nothing needs to
	// be held there. Inbound tells the same of flows opened from outside.
	Loopback bool
	Inbound  bool
	// LoopbackRule tells that an enabled rule that does not allow is about
	// loopback in particular, not about any address, and that rules count.
	LoopbackRule bool
	// Scripts tells that enabled rules name scripts or inline code: a decision
	// about an interpreter's path is then not the same for all that it runs.
	Scripts bool
	// Programs are the paths of the executables that enabled rules name, also in
	// containers, in order, so that a backend can get to know these programs before they run.
	// The slice is shared: nobody changes it.
	Programs []string
	// Interpreters are the paths of the interpreters that enabled rules for
	// scripts name, in order, so that a backend tells apart what they run before
	// they do. The slice is shared, too.
	Interpreters []string
	// Identify says as which program what a backend met counts; nil takes every
	// file for the one that the rules for it were made for. It stays the same
	// while a backend runs.
	Identify Identify
	// PassLock tells that the mode is lock, and rules let some flows pass it.
	PassLock bool
	// Zones say in which zone a remote is. It is by them that the decisions hold
	// whose [Bounds] have Zone.
	Zones Zones
	// Starters tells that rules depend on what started a process: attempts need
	// StartedBy.
	Starters bool
	// Signers tells that enabled rules name signers: who signed a program's file
	// is worth a wait.
	Signers bool
	// Users tells that rules depend on the user of a process: attempts need SID.
	Users bool
}

// Sink takes what a backend meets. The [Engine] is one. All methods may be
// called from any goroutine and block only while the engine is busy.
type Sink interface {
	// Hold hands over a held flow. The sink calls h.Release exactly once.
	Hold(h Held)
	// Decided reports flows that the backend's cache of earlier decisions
	// passed or blocked, so that the log is complete.
	Decided(e Entry)
	// Judge says what the rules and the mode make of an attempt, without
	// asking and without logging. ok is false if a person would be asked. The
	// scope and the bounds say for which other attempts the same is true, also
	// if ok is false. Who caches the
	// decision checks that no Apply began since Judge was called: by then it
	// may be outdated.
	Judge(a Attempt) (d Decision, ok bool)
	// Known tells that a program that was handed over as old turned out to be
	// now: what waits is judged again as such.
	Known(old, now Program)
	// Lost counts events that the backend could not report.
	Lost(n uint64)
	// HandBack tells that the backend has ended and sent on every packet that it
	// held: all that waits is over, allowed as [HandedBack].
	HandBack()
}

// Backend holds flows and enforces decisions on one kind of system.
type Backend interface {
	// Run filters until ctx ends; then networking is as it was found, unless
	// the cause is ErrHandOver. What it holds then passes under fail open at
	// most: see "The end of a run" in the package's comment. It returns an error if it cannot start or go on, and calls ready once
	// filtering is in force.
	Run(ctx context.Context, sink Sink, ready func()) error
	// Apply makes the policy known, forgets every cached decision, and judges
	// established flows again: what is no longer allowed is cut. It is called
	// before Run and whenever rules, mode or policy changed.
	Apply(p Policy) error
	// Stats reports counters and facts for status.
	Stats() Stats
}

// Stats are a backend's facts for status.
type Stats struct {
	Backend         string   // "ebpf+nfqueue", "memory"
	Cgroup          string   // the cgroup that is filtered; "" where there is none
	Enforcing       bool     // false for a backend without an operating system
	DroppedEvents   uint64   // events lost between kernel and engine
	OtherNamespaces uint64   // sockets of other network namespaces that passed unjudged
	Notes           []string // what a person should know: a fallback in use, a missing feature
}
