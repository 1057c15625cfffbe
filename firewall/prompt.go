package firewall

import (
	"net/netip"
	"time"
)

// Question is what a prompt asks: may this program open flows in this
// direction? It is comparable; there is one open prompt for each.
type Question struct {
	Program   Program
	Direction Direction
}

// PromptID names one asking of a question. It is never used twice, also not
// after a restart, so that a late click cannot decide something unread.
type PromptID string

// Prompt is an open question. It is derived from the waiting flows.
type Prompt struct {
	ID PromptID
	Question
	First   Attempt // the destination that is shown
	Newest  Attempt // the flow that came last
	Waiting int     // flows that wait for the answer; 0 once it is expired
	Others  int     // flows beside the first that joined since it was asked
	// Sought are the first maxSought destinations of its flows, in the order in
	// which they came; Elsewhere counts the flows to others.
	Sought    []Destination
	Elsewhere int
	Asked     time.Time // when this was asked
	Deadline  time.Time // when the patience ends
	// Expired: nothing waits any more, because the patience ended and the
	// flows were blocked, or because their programs gave up. The question
	// stays open; the program's next flow makes it wait again.
	Expired bool
}

// Rule returns the rule that an answer with this verdict and scope stands for.
// It has no id yet, lasts always, and is invalid for an unidentified program,
// until it is bound to the process for inline code, with [ScopeProduct] for a
// program without a verified signer and product, and with [ScopeStarter] while it
// is not known what started the process.
func (p Prompt) Rule(v Verdict, s AnswerScope) Rule {
	first := p.First.normal()
	r := Rule{Program: p.Program.ID(), Direction: p.Direction, Verdict: v}
	if s == ScopeProduct {
		r.Program = p.Program.Signature()
	}
	if s == ScopeStarter {
		if r.StartedBy = first.StartedBy; r.StartedBy == "" {
			r.Program = ""
		}
	}
	if s == ScopeZone {
		if r.Zone = first.Zone; r.Zone != TrustedZone && r.Zone != InternetZone {
			r.Zone, s = AnyZone, ScopeHost // no rule names it: never wider than what was meant
		}
	}
	if s == ScopeHost || s == ScopeDestination {
		r.Host = first.Host
		if addr := first.Remote.Addr().WithZone(""); r.Host == "" && addr.IsValid() {
			r.Remote = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	if s == ScopePort || s == ScopeDestination {
		r.Protocol = first.Protocol
		switch {
		case !r.Protocol.HasPorts():
		case p.Direction == In:
			r.LocalPort = first.Local.Port()
		default:
			r.Port = first.Remote.Port()
		}
	}
	return r
}

// Answer decides an open question.
type Answer struct {
	Prompt  PromptID
	Verdict Verdict // Allow or Block
	Scope   AnswerScope
	// Rule is set if the answer is remembered; the caller has already put it
	// into force with [Engine.SetRules]. nil: just this once.
	Rule *RuleID
}

// AnswerScope says which of the question's flows an answer covers. The zero
// scope is the default: this program, anywhere.
type AnswerScope uint8

const (
	ScopeProgram     AnswerScope = iota // any destination
	ScopeHost                           // the first flow's host name, or its address if none is known; any port
	ScopePort                           // the first flow's protocol and remote port, or local port if it came from outside; any address
	ScopeDestination                    // the first flow's host (or address), protocol and port
	ScopeProduct                        // any destination, and every program of the same verified signer and product
	ScopeStarter                        // any destination, only when started by what started the first flow's process
	ScopeZone                           // the zone of the first flow's remote; as ScopeHost if no rule may name that
)

// Destination is where flows of one question go.
type Destination struct {
	Protocol Protocol
	Host     string         // the name that was looked up, if it is known
	Remote   netip.AddrPort // as [Flow.Destination] has it
	Times    int            // flows
}

// maxSought bounds the destinations that a prompt lists.
const maxSought = 16

// seek counts where one more flow of a question goes.
func (p *Prompt) seek(a Attempt) {
	p.Newest = a
	d := Destination{Protocol: a.Protocol, Host: a.Host, Remote: a.Destination(), Times: 1}
	for i, s := range p.Sought {
		if s.Times = 1; s == d {
			p.Sought[i].Times++
			return
		}
	}
	if len(p.Sought) == maxSought {
		p.Elsewhere++
		return
	}
	p.Sought = append(p.Sought, d)
}
