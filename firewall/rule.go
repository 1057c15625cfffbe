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

// Rule says what happens to the flows that it matches. Empty conditions match
// everything, save Program: it is required, and [AnyProgram] is "*".
type Rule struct {
	ID        RuleID
	Program   string // a Program's ID or Signature, or AnyProgram
	Direction Direction
	Protocol  Protocol     // AnyProtocol matches all
	ICMPType  ICMPType     // 0 matches all
	Remote    netip.Prefix // the zero Prefix matches all
	Place     Place        // AnyPlace matches all
	Zone      Zone         // AnyZone matches all
	Host      string       // lower case, without the final dot; *.name is all names below name; "" matches all
	Port      uint16       // remote port; 0 matches all
	PortTo    uint16       // the last of a range that begins with Port; 0: Port alone
	LocalPort uint16       // 0 matches all
	StartedBy string       // the path of what started the process; "" matches all
	User      string       // the user of the process, a number or a SID; "" matches all
	Verdict   Verdict
	Until     Expiry
	Disabled  bool
	Builtin   bool
	// PassLock has what the rule allows pass also in [ModeLock].
	PassLock bool
	// Learned rules were proposed by [ModeLearn] and accepted by a person.
	Learned bool
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
	case r.PassLock && (r.Verdict != Allow || r.Direction != Out || r.Program == AnyProgram):
		return errors.New("pass lock: only a rule that allows one program to open connections passes the lock")
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
	if !isUser(r.User) {
		return fmt.Errorf("user %.80q: want a user's number such as 1000, or a SID such as S-1-5-21-…-1001", r.User)
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
	host := strings.TrimPrefix(r.Host, "*.")
	if host == "" && r.Host != "" || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, "..") || strings.Trim(host, hostBytes) != "" {
		return fmt.Errorf("host %q: want one whole name such as example.com, or *.example.com for all below it, in lower case", r.Host)
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
	if r.ICMPType != 0 && r.Protocol != ICMP {
		return fmt.Errorf("ICMP type %s: want it with protocol icmp", r.ICMPType)
	}
	if r.ICMPType > 256 {
		return fmt.Errorf("ICMP type %d: want one from 0 to 255", r.ICMPType-1)
	}
	if r.PortTo != 0 && (r.Port == 0 || r.PortTo <= r.Port) {
		return fmt.Errorf("ports %d-%d: want the lower one first, as in 8000-8999", r.Port, r.PortTo)
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
	if r.Until.Exit && r.Until.Restart() {
		return errors.New("until exit: a process does not outlive the computer's restart")
	}
	if len(r.Until.Boot) > maxBoot || strings.Trim(r.Until.Boot, bootBytes) != "" {
		return fmt.Errorf("until restart: %.80q is not the name of a start", r.Until.Boot)
	}
	if r.Until.Uptime != 0 && (r.Until.Boot == "" || r.Until.At.IsZero() || r.Until.Uptime < 0) {
		return errors.New("until: an end by how long the computer runs goes with its start and a time")
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
	return !r.Disabled && !r.over(&a) && r.Direction == a.Direction && r.names(&a.Program) && r.meets(&a)
}

// over tells whether the rule's time has ended when the attempt is made.
func (r *Rule) over(a *Attempt) bool {
	left, ends := r.Until.Left(Clocks{a.Time, a.Uptime}, r.Verdict)
	return ends && left <= 0
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
// identified, nothing that was allowed to a path to another file there, nothing
// that was allowed to a script as such to one that somebody's own interpreter
// runs, and nothing that was allowed to a signer to what a signed interpreter
// runs. Another script may what all of its interpreter may.
func (r *Rule) isFor(p *Program, n name, identified bool) bool {
	switch {
	case r.Verdict != Allow:
		return true
	case n.kind == namesAny:
		return identified || r.Builtin
	case n.kind == namesSigned && (p.Kind == Interpreted || p.isScript()): // nobody signed the script
		return false
	case n.kind == namesScript && p.Replaceable && n.detail != p.Path:
		return false
	case p.Kind != Changed:
		return true
	case n.kind == namesFile || n.kind == namesPackage:
		return p.Script != "" && !p.Replaceable
	}
	return n.kind != namesScript
}

// meets tells whether the attempt, in normal form, meets the conditions.
func (r *Rule) meets(a *Attempt) bool {
	return r.meetsDestination(a) && r.meetsHost(a) && r.meetsProcess(a) && r.meetsStarter(a) && r.meetsUser(a) && r.meetsOrigin(a)
}

// ports returns the rule's two ports: that of what is connected to, which is
// here if the flow comes from outside, and that of who connects.
func (r *Rule) ports() (destination, origin uint16) {
	if r.Direction == In {
		return r.LocalPort, r.Port
	}
	return r.Port, r.LocalPort
}

// meetsPort looks at the port of what is connected to.
func (r *Rule) meetsPort(a *Attempt) bool {
	if r.Direction == In {
		return r.meetsLocalPort(a)
	}
	return r.meetsRemotePort(a)
}

// meetsOrigin looks at the port of who connects.
func (r *Rule) meetsOrigin(a *Attempt) bool {
	if r.Direction == In {
		return r.meetsRemotePort(a)
	}
	return r.meetsLocalPort(a)
}

func (r *Rule) meetsRemotePort(a *Attempt) bool {
	port := a.Remote.Port()
	return r.Port == 0 || r.Port == port || r.Port < port && port <= r.PortTo
}

func (r *Rule) meetsLocalPort(a *Attempt) bool {
	return r.LocalPort == 0 || r.LocalPort == a.Local.Port()
}

func (r *Rule) meetsDestination(a *Attempt) bool {
	return (r.Protocol == AnyProtocol || r.Protocol == a.Protocol) &&
		r.meetsPort(a) && r.ICMPType.meets(&a.Flow) &&
		(r.Zone == AnyZone || r.Zone == a.Zone) &&
		(r.Place == AnyPlace || r.Place == a.Place || r.Place == Loopback && a.loopback()) &&
		(!r.Remote.IsValid() || r.Remote.Contains(a.Remote.Addr().WithZone("")))
}

func (r *Rule) meetsHost(a *Attempt) bool {
	if below, ok := strings.CutPrefix(r.Host, "*"); ok {
		return len(a.Host) > len(below) && strings.HasSuffix(a.Host, below)
	}
	return r.Host == "" || r.Host == a.Host
}

func (r *Rule) meetsUser(a *Attempt) bool { return r.User == "" || r.User == a.User() }

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
func (r *Rule) holds(a *Attempt) (s Scope, b Bounds) {
	b = Bounds{Process: r.Until.Exit || r.StartedBy != "", Host: r.Host != "", Zone: r.Zone != AnyZone, Until: r.Until.End(Clocks{a.Time, a.Uptime}, r.Verdict)}
	destination, origin := r.ports()
	switch {
	case origin != 0, r.User != "": // a process may become another user's
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
