package app

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// The words for places in a rule's remote.
const (
	loopbackRemote  = "loopback"
	resolversRemote = "resolvers"
)

// ruleOut shows a rule as windows and commands do.
func ruleOut(r firewall.Rule) ui.Rule {
	out := ui.Rule{
		ID: string(r.ID), Program: r.Program, Direction: r.Direction, Protocol: r.Protocol, Host: r.Host,
		Port: r.Port, LocalPort: r.LocalPort, StartedBy: r.StartedBy, Verdict: r.Verdict, Until: untilOut(r.Until), Enabled: !r.Disabled,
		Learned: r.Learned, PassLock: r.PassLock, PortTo: r.PortTo, ICMPType: r.ICMPType, User: r.User,
		Builtin: r.Builtin, Proposed: r.Proposed, Note: r.Note, Created: r.Created.UTC(), Hits: r.Hits,
	}
	switch {
	case r.Place == firewall.Loopback:
		out.Remote = loopbackRemote
	case r.Place == firewall.Resolver:
		out.Remote = resolversRemote
	case r.Zone != firewall.AnyZone && !r.Remote.IsValid():
		out.Remote = r.Zone.String()
	case r.Remote.IsValid() && r.Remote.IsSingleIP():
		out.Remote = r.Remote.Addr().String()
	case r.Remote.IsValid():
		out.Remote = r.Remote.String()
	}
	out.By, out.ByUser = string(r.By.Way), userName(r.By.User)
	if r.Builtin && out.By == "" {
		out.By = string(firewall.WayBuiltin)
	}
	if !r.LastUsed.IsZero() {
		used := r.LastUsed.UTC()
		out.LastUsed = &used
	}
	return out
}

// asNamed is what a rule names with paths as the file system writes them.
func asNamed(program string) string {
	if rest, ok := strings.CutPrefix(program, "script:"); ok {
		family, path, _ := strings.Cut(rest, ":")
		return "script:" + family + ":" + asWritten(path)
	}
	return asWritten(program)
}

// ruleIn reads a rule that a person made. What only the firewall itself sets
// (hits, times, built-in) is not taken from it.
func ruleIn(r ui.Rule) (firewall.Rule, error) {
	in := firewall.Rule{
		ID: firewall.RuleID(r.ID), Program: asNamed(strings.TrimSpace(r.Program)), Direction: r.Direction, Protocol: r.Protocol,
		Host: strings.ToLower(strings.TrimSuffix(strings.TrimSpace(r.Host), ".")), Port: r.Port, LocalPort: r.LocalPort, StartedBy: asWritten(strings.TrimSpace(r.StartedBy)),
		Verdict: r.Verdict, Disabled: !r.Enabled, Proposed: r.Proposed, PassLock: r.PassLock, Note: r.Note, PortTo: r.PortTo, ICMPType: r.ICMPType, User: strings.TrimSpace(r.User),
	}
	var err error
	switch z := strings.ToLower(strings.TrimSpace(r.Remote)); z {
	case firewall.TrustedZone.String():
		in.Zone = firewall.TrustedZone
	case firewall.InternetZone.String():
		in.Zone = firewall.InternetZone
	default:
		if in.Remote, in.Place, err = remoteIn(r.Remote); err != nil {
			return in, err
		}
	}
	in.Until, err = untilIn(r.Until)
	return in, err
}

func remoteIn(s string) (netip.Prefix, firewall.Place, error) {
	switch s = strings.TrimSpace(s); s {
	case "":
		return netip.Prefix{}, firewall.AnyPlace, nil
	case loopbackRemote:
		return netip.Prefix{}, firewall.Loopback, nil
	case resolversRemote:
		return netip.Prefix{}, firewall.Resolver, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), firewall.AnyPlace, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, 0, fmt.Errorf("%w: remote %q: want an address such as 192.0.2.1, a prefix such as 10.0.0.0/8, loopback, resolvers, trusted or internet", ui.ErrInvalid, s)
	}
	return p.Masked(), firewall.AnyPlace, nil
}

func untilOut(e firewall.Expiry) string {
	switch {
	case e.Exit:
		return "exit:" + strconv.Itoa(e.PID)
	case e.Restart():
		return "restart"
	case !e.At.IsZero():
		return e.At.UTC().Format(time.RFC3339)
	}
	return "always"
}

// untilIn reads "always", "exit:PID", "restart", a time, or a duration from now.
func untilIn(s string) (firewall.Expiry, error) {
	switch {
	case s == "" || s == "always":
		return firewall.Expiry{}, nil
	case s == "restart":
		return firewall.Expiry{Boot: firewall.ThisBoot}, nil
	case strings.HasPrefix(s, "exit:"):
		pid, err := strconv.Atoi(strings.TrimPrefix(s, "exit:"))
		if err != nil || pid <= 0 {
			return firewall.Expiry{}, fmt.Errorf("%w: %q: want exit: and a process number", ui.ErrInvalid, s)
		}
		facts, err := process.Of(pid)
		if err != nil {
			return firewall.Expiry{}, fmt.Errorf("%w: until process %d exits: %w", ui.ErrInvalid, pid, err)
		}
		return firewall.Expiry{Exit: true, PID: pid, Started: facts.Started}, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		if !at.After(time.Now()) {
			return firewall.Expiry{}, fmt.Errorf("%w: until %s: that is over", ui.ErrInvalid, s)
		}
		return firewall.Expiry{At: at}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return firewall.Expiry{}, fmt.Errorf("%w: %q: want always, exit:PID, restart, a duration such as 1h, or a time such as 2026-01-31T12:00:00Z", ui.ErrInvalid, s)
	}
	return firewall.Expiry{At: time.Now().Add(d)}, nil
}

// promptOut shows a prompt with what is known of its process.
func promptOut(p firewall.Prompt, f known) ui.Prompt {
	a := p.First
	out := ui.Prompt{
		ID: string(p.ID), State: "waiting", Program: cmp.Or(p.Program.ID(), p.Program.Path), Name: p.Program.Name(), About: p.Program.Why,
		Changed: p.Program.Kind == firewall.Changed, OnlyOnce: p.Program.ID() == "", Inline: p.Program.ID() != "" && !p.Program.Lasting(),
		PID: a.PID, UID: a.UID, User: f.User,
		Signer: p.Program.Signer, Product: cmp.Or(p.Program.Product, f.Product), Signature: p.Program.Signature(), Description: f.Description,
		StartedBy: cmp.Or(a.StartedBy, f.starter), Command: f.Command, Protocol: a.Protocol, Direction: p.Direction, Host: a.Host, Zone: a.Zone, Port: a.Destination().Port(),
		Waiting: p.Waiting, Others: p.Others, Asked: p.Asked.UTC(), Deadline: p.Deadline.UTC(),
		Warnings: append(handsInWords(a.Socket), f.words.warnings...), Facts: append(tunnelInWords(a), f.words.facts...),
	}
	if len(f.Chain) > 0 {
		out.Parent = cmp.Or(f.Chain[0].Path, f.Chain[0].Name)
	}
	if p.Program.Kind == firewall.Unidentified {
		out.Program = ""
	}
	if p.Expired {
		out.State = "unanswered"
	}
	if a.Remote.Addr().IsValid() {
		out.Remote = a.Remote.Addr().String()
	}
	for _, d := range p.Sought {
		to := ui.Destination{Protocol: d.Protocol, Host: d.Host, Port: d.Remote.Port(), Times: d.Times}
		if d.Remote.Addr().IsValid() {
			to.Remote = d.Remote.Addr().String()
		}
		out.Sought = append(out.Sought, to)
	}
	out.Elsewhere, out.Last, out.Ended = p.Elsewhere, p.Newest.Time.UTC(), ended(p)
	return out
}

// ended tells whether nothing waits for an answer and the process that tried
// last has ended.
func ended(p firewall.Prompt) bool {
	return p.Expired && p.Newest.PID > 0 && !process.Runs(p.Newest.PID, p.Newest.Started)
}

// lineOut shows a line of the log.
func lineOut(l persistence.Line) ui.LogLine {
	out := ui.LogLine{ID: strconv.FormatUint(uint64(l.ID), 10)}
	if c := l.Change; c != nil {
		out.Kind, out.Time, out.UID, out.PID, out.Program, out.Note = "change", c.Time.UTC(), c.UID, c.PID, c.Program, c.Text
		out.Name, out.Reason, out.Count = firewall.Program{Path: c.Program}.Name(), string(firewall.ConfigChange), 1
		out.Carried, out.Change, out.Way = c.Carried, numberOut(uint64(c.ID)), string(c.Way)
		return out
	}
	e := l.Entry
	out.Kind, out.Time, out.Program, out.Name = "flow", e.Time.UTC(), e.Program.ID(), e.Program.Name()
	out.PID, out.UID, out.Protocol, out.Direction = e.PID, e.UID, e.Protocol, e.Direction
	out.Host, out.Port, out.Verdict, out.Reason = e.Host, e.Remote.Port(), e.Verdict.String(), string(e.Reason)
	out.Rule, out.Count, out.Note = string(e.Rule), max(e.Count, 1), e.Program.Why
	out.Warnings, out.Facts = l.Warnings, l.Facts
	if e.ICMP != 0 {
		kind := e.ICMP - 1
		out.ICMPType = &kind
	}
	if e.Remote.Addr().IsValid() {
		out.Remote = e.Remote.Addr().String()
	}
	if e.Local.Addr().IsValid() {
		out.Local = e.Local.Addr().String()
		if e.Local.Port() != 0 {
			out.Local = e.Local.String()
		}
	}
	return out
}

// scopeIn reads what an answer covers.
func scopeIn(s string) (firewall.AnswerScope, error) {
	switch s {
	case "", "program":
		return firewall.ScopeProgram, nil
	case "host":
		return firewall.ScopeHost, nil
	case "port":
		return firewall.ScopePort, nil
	case "destination":
		return firewall.ScopeDestination, nil
	case "product":
		return firewall.ScopeProduct, nil
	case "starter":
		return firewall.ScopeStarter, nil
	case "zone":
		return firewall.ScopeZone, nil
	}
	return 0, fmt.Errorf("%w: scope %q: want program, host, port, destination, zone, product or starter", ui.ErrInvalid, s)
}
