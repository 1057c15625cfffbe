package firewall

import (
	"net/netip"
	"strconv"
)

// Explanation is why an attempt is decided as it is.
type Explanation struct {
	Decision       // Verdict Ask: a person is asked
	Met      []Met // the conditions of the deciding rule that the attempt met; none without one
	Without  Decision
	// WithoutMode: no rule decides, and Without is what happened in mode ask.
	// Otherwise it is what happened without the deciding rule.
	WithoutMode bool
}

// Met is a condition of a rule, and what of an attempt met it.
type Met struct {
	Condition string `json:"condition"` // program, direction, protocol, remote, place, zone, ICMP type, host, port, local port, started by, user, process
	Rule      string `json:"rule"`      // what the rule says
	Fact      string `json:"fact"`      // what the attempt has
}

// Explain says how rules and mode decide an attempt, by what, and what they
// would decide otherwise. It changes nothing.
func Explain(rs Ruleset, m Mode, a Attempt) Explanation {
	a = a.normal()
	a.Zone = rs.zones.Of(a.Remote.Addr())
	e := Explanation{Decision: m.Decide(rs, a)}
	r, byRule := rs.Rule(e.Rule)
	if !byRule {
		e.Without, e.WithoutMode = ModeAsk.Decide(rs, a), true
		return e
	}
	e.Met = r.met(&a)
	rest, _ := rs.Change(nil, []RuleID{r.ID}) // removing never fails
	e.Without = m.Decide(rest, a)
	return e
}

// Decide is what mode and rules make of an attempt: its verdict is Ask if a
// person is asked, by a rule or because nothing decides.
func (m Mode) Decide(rs Ruleset, a Attempt) Decision {
	d, ok := m.judge(rs, a)
	if !ok {
		d.Verdict = Ask
		if d.Reason == "" {
			d.Reason = Asked
		}
	}
	return d
}

// met lists the rule's conditions, which the attempt meets.
func (r *Rule) met(a *Attempt) []Met {
	met := []Met{{"program", r.Program, a.Program.calledBy(r.name())}}
	add := func(condition string, asked bool, rule, fact string) {
		if asked {
			met = append(met, Met{condition, rule, fact})
		}
	}
	port := func(p uint16) string { return strconv.Itoa(int(p)) }
	ports := func(first, last uint16) string {
		if last == 0 {
			return port(first)
		}
		return port(first) + "-" + port(last)
	}
	address := func(ap netip.AddrPort) string {
		if !ap.Addr().IsValid() {
			return ""
		}
		return ap.Addr().String()
	}
	add("direction", true, r.Direction.String(), a.Direction.String())
	add("protocol", r.Protocol != AnyProtocol, r.Protocol.String(), a.Protocol.String())
	add("ICMP type", r.ICMPType != 0, r.ICMPType.String(), strconv.Itoa(int(a.ICMP)-1))
	add("remote", r.Remote.IsValid(), r.Remote.String(), address(a.Remote))
	add("place", r.Place != AnyPlace, r.Place.String(), address(a.Remote))
	add("zone", r.Zone != AnyZone, r.Zone.String(), address(a.Remote))
	add("host", r.Host != "", r.Host, a.Host)
	add("port", r.Port != 0, ports(r.Port, r.PortTo), port(a.Remote.Port()))
	add("local port", r.LocalPort != 0, port(r.LocalPort), port(a.Local.Port()))
	add("started by", r.StartedBy != "", r.StartedBy, a.StartedBy)
	add("user", r.User != "", r.User, a.User())
	add("process", r.Until.Exit, strconv.Itoa(r.Until.PID), strconv.Itoa(a.PID))
	return met
}

// calledBy is what of the program a rule's name is.
func (p *Program) calledBy(n name) string {
	switch n.kind {
	case namesAny:
		if id := p.ID(); id != "" {
			return id
		}
		return "unidentified"
	case namesFile:
		if n.text == p.Path {
			return p.Path
		}
	case namesSigned:
		return p.Signature()
	}
	return p.ID()
}

// String gives "any", "loopback" or "resolvers".
func (p Place) String() string {
	switch p {
	case Loopback:
		return "loopback"
	case Resolver:
		return "resolvers"
	}
	return "any"
}
