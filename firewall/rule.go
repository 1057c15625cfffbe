package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// RuleID names a rule for as long as it exists. Built-in rules have ids that
// start with "builtin-".
type RuleID string

func (id RuleID) part() string { return string(id) }

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
	Program   string // a Program's ID or Signature, or AnyProgram
	Direction Direction
	Protocol  Protocol     // AnyProtocol matches all
	Remote    netip.Prefix // the zero Prefix matches all
	Place     Place        // AnyPlace matches all
	Zone      Zone         // AnyZone matches all
	Host      string       // lower case, without the final dot; "" matches all
	Port      uint16       // remote port; 0 matches all
	LocalPort uint16       // 0 matches all
	StartedBy string       // the path of what started the process; "" matches all
	Verdict   Verdict
	Until     Expiry
	Disabled  bool
	Builtin   bool
	// Proposed rules were made for programs seen while the mode was allow and
	// still wait for the person to confirm them.
	Proposed bool
	Note     string
	By       Author
	Created  time.Time
	LastUsed time.Time
	Hits     uint64
}

// Limits of a rule's texts, in bytes. A path is at most PATH_MAX (4096) long,
// a host name 253 (RFC 1035).
const (
	maxProgram = 4096 + 256
	maxHost    = 253
	maxNote    = 4096
)

// Validate says what is wrong with the rule, in words for the person who
// wrote it. [NewRuleset] takes no other rules.
func (r Rule) Validate() error {
	for _, check := range []func() error{r.validateNames, r.validateRemote, r.validatePorts, r.validateUntil} {
		if err := check(); err != nil {
			return err
		}
	}
	switch {
	case r.Direction > In:
		return fmt.Errorf("direction %d: want out or in", r.Direction)
	case r.Verdict > Ask:
		return fmt.Errorf("verdict %d: want allow, block or ask", r.Verdict)
	case len(r.Note) > maxNote:
		return fmt.Errorf("note of %d bytes: at most %d", len(r.Note), maxNote)
	}
	return nil
}

func (r Rule) validateNames() error {
	switch {
	case r.ID == "":
		return errors.New("the rule has no id")
	case r.Builtin != strings.HasPrefix(string(r.ID), builtinPrefix):
		return fmt.Errorf("id %q: %q begins the ids of built-in rules, and of no others", r.ID, builtinPrefix)
	}
	if r.StartedBy != "" && (!isPath(r.StartedBy) || len(r.StartedBy) > maxProgram) {
		return fmt.Errorf("started by %.80q: want the whole path of a program or script", r.StartedBy)
	}
	return validateProgram(r.Program)
}

func (r Rule) validateRemote() error {
	if r.Remote != (netip.Prefix{}) {
		switch {
		case !r.Remote.IsValid():
			return errors.New("remote: not an address or prefix")
		case r.Remote.Addr().Is4In6():
			return fmt.Errorf("remote %s: write it as an IPv4 address", r.Remote)
		case r.Remote != r.Remote.Masked():
			return fmt.Errorf("remote %s: bits are set behind the prefix, %s is meant", r.Remote, r.Remote.Masked())
		}
	}
	if r.Place > Resolver {
		return fmt.Errorf("place %d: not known", r.Place)
	}
	switch r.Zone {
	case AnyZone, TrustedZone, InternetZone:
	case BlockedZone:
		return errors.New("zone blocked: nothing is exchanged with its addresses, whatever rules say")
	default:
		return fmt.Errorf("zone %q: want trusted or internet", r.Zone)
	}
	if len(r.Host) > maxHost {
		return fmt.Errorf("host of %d bytes: at most %d", len(r.Host), maxHost)
	}
	if _, err := netip.ParseAddr(r.Host); err == nil {
		return fmt.Errorf("host %q: give an address as remote", r.Host)
	}
	if strings.HasPrefix(r.Host, ".") || strings.HasSuffix(r.Host, ".") || strings.Contains(r.Host, "..") || strings.Trim(r.Host, hostBytes) != "" {
		return fmt.Errorf("host %q: want one whole name such as example.com, in lower case", r.Host)
	}
	return nil
}

// hostBytes is what host names consist of; the underscore is not in RFC 952
// but in use.
const hostBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_."

func (r Rule) validatePorts() error {
	if r.Protocol == ICMPv6 {
		return fmt.Errorf("protocol %d: write it as icmp", r.Protocol)
	}
	if (r.Port != 0 || r.LocalPort != 0) && r.Protocol != AnyProtocol && !r.Protocol.HasPorts() {
		return fmt.Errorf("%s has no ports", r.Protocol)
	}
	return nil
}

func (r Rule) validateUntil() error {
	if r.Until.Exit && (r.Until.PID <= 0 || r.Until.Started.IsZero()) {
		return errors.New("until exit: want the process and when it started")
	}
	if !r.Until.Exit && r.Until.PID != 0 {
		return fmt.Errorf("process %d: only a rule until exit is bound to a process", r.Until.PID)
	}
	if r.name().kind == namesInline && !r.Until.Exit {
		return fmt.Errorf("program %q: inline code is another each time: want a rule until its process exits", r.Program)
	}
	return nil
}

// Matches tells whether the rule is in force for the attempt: it is enabled,
// not over, for this program and direction, and every condition is met.
func (r Rule) Matches(a Attempt) bool {
	a = a.normal()
	return !r.Disabled && !r.over(a.Time) && r.Direction == a.Direction && r.names(&a.Program) && r.meets(&a)
}

// over tells whether the rule has ended by time: that of the clock on the wall,
// which goes on while the computer sleeps.
func (r *Rule) over(now time.Time) bool {
	return !r.Until.At.IsZero() && !now.Round(0).Before(r.Until.At)
}

// name is what the rule is about.
func (r *Rule) name() name {
	n, _ := parseName(r.Program)
	return n
}

// names tells whether the rule is about the program.
func (r *Rule) names(p *Program) bool {
	n := r.name()
	names, identified := p.names()
	return n.kind != namesNothing && slices.Contains(names[:], n) && r.isFor(p, n, identified)
}

// isFor tells whether the rule counts for a program that it calls n: nothing
// that a person allowed to any program is allowed to one that is not
// identified, nothing that was allowed to a path to another file there, and
// nothing that was allowed to a script as such to one that somebody's own
// interpreter runs. Another script may what all of its interpreter may.
func (r *Rule) isFor(p *Program, n name, identified bool) bool {
	switch {
	case r.Verdict != Allow:
		return true
	case n.kind == namesAny:
		return identified || r.Builtin
	case n.kind == namesScript && p.Replaceable && n.detail != p.Path:
		return false
	case p.Kind != Changed:
		return true
	case n.kind == namesFile:
		return p.Script != "" && !p.Replaceable
	}
	return n.kind != namesScript
}

// meets tells whether the attempt, in normal form, meets the conditions.
func (r *Rule) meets(a *Attempt) bool {
	return r.meetsDestination(a) && r.meetsHost(a) && r.meetsProcess(a) && r.meetsStarter(a) && r.meetsOrigin(a)
}

// ports returns the rule's two ports: that of what is connected to, which is
// here if the flow comes from outside, and that of who connects.
func (r *Rule) ports() (destination, origin uint16) {
	if r.Direction == In {
		return r.LocalPort, r.Port
	}
	return r.Port, r.LocalPort
}

// meetsOrigin looks at the port of who connects.
func (r *Rule) meetsOrigin(a *Attempt) bool {
	_, port := r.ports()
	_, have := a.ports()
	return port == 0 || port == have
}

func (r *Rule) meetsDestination(a *Attempt) bool {
	port, _ := r.ports()
	have, _ := a.ports()
	return (r.Protocol == AnyProtocol || r.Protocol == a.Protocol) &&
		(port == 0 || port == have) &&
		(r.Zone == AnyZone || r.Zone == a.Zone) &&
		(r.Place == AnyPlace || r.Place == a.Place || r.Place == Loopback && a.loopback()) &&
		(!r.Remote.IsValid() || r.Remote.Contains(a.Remote.Addr().WithZone("")))
}

func (r *Rule) meetsHost(a *Attempt) bool { return r.Host == "" || r.Host == a.Host }

func (r *Rule) meetsProcess(a *Attempt) bool {
	return !r.Until.Exit || r.Until.PID == a.PID && sameStart(r.Until.Started, a.Started)
}

func (r *Rule) meetsStarter(a *Attempt) bool { return r.StartedBy == "" || r.StartedBy == a.StartedBy }

// sameStart tells whether two readings of a process's start are of the same
// process. The kernel counts from boot: what that is by the clock changes a
// little with each reading.
func sameStart(a, b time.Time) bool {
	return a.Sub(b).Abs() < time.Second
}

// holds says for which other attempts it is known too that the rule matches:
// those that are alike in everything that its conditions depend on.
func (r *Rule) holds() (s Scope, b Bounds) {
	b = Bounds{Process: r.Until.Exit || r.StartedBy != "", Host: r.Host != "", Zone: r.Zone != AnyZone, Until: r.Until.At}
	destination, origin := r.ports()
	switch {
	case origin != 0:
		return ThisFlow, b
	case r.Protocol != AnyProtocol || r.Remote.IsValid() || r.Place != AnyPlace || destination != 0 || r.Host != "":
		return ThisDestination, b
	}
	return ThisProgram, b
}

// misses says for which other attempts it is known too that the rule does not
// match, as it does not match a: those alike in the one condition that a does
// not meet, where there are several the one that tells the most. That the rule
// ends changes nothing for them.
func (r *Rule) misses(a *Attempt) (Scope, Bounds) {
	switch {
	case r.Zone != AnyZone && r.Zone != a.Zone:
		return ThisProgram, Bounds{Zone: true}
	case !r.meetsDestination(a):
		return ThisDestination, Bounds{}
	case !r.meetsProcess(a) || !r.meetsStarter(a):
		return ThisProgram, Bounds{Process: true}
	case !r.meetsHost(a):
		return ThisDestination, Bounds{Host: true}
	}
	return ThisFlow, Bounds{}
}
