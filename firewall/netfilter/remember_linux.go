package netfilter

import "sallyport.dev/sallyport/firewall"

// verdict is what the kernel is to know of a decision.
func (c *cache) verdict(d firewall.Decision) kernelVerdict {
	v := kernelVerdict{Epoch: c.next.Epoch, Verdict: kernelBlock, Decision: c.number(d), Until: bootTimeOf(d.Bounds.Until)}
	if d.Verdict == firewall.Allow {
		v.Verdict = kernelAllow
	}
	if d.Bounds.Host {
		v.Named = 1
	}
	return v
}

// keyOf is what a decision about a flow of o to the zone holds for; ok is false if it
// holds for this flow only.
func keyOf(o kernelOwner, r kernelRemote, z firewall.Zone, d firewall.Decision) (key kernelDestination, ok bool) {
	key.Program = o.Program
	key.Remote.Stays = r.Stays & inward
	switch {
	case d.Scope == firewall.ThisDestination:
		key.Remote = r
	case d.Bounds.Zone:
		key.Remote.Stays |= uint8(z) * zone
	}
	if d.Bounds.Process {
		key.Process, key.Started = o.Pid, o.Started
		if o.Pid == 0 || o.Started == 0 {
			return key, false
		}
	}
	return key, d.Scope != firewall.ThisFlow
}

// whole tells whether the key is of every flow of a program.
func (d kernelDestination) whole() bool {
	return d.Process == 0 && d.Remote == kernelRemote{}
}

// anywhere tells whether the key is of flows to or from every remote, or every
// one of a zone.
func (d kernelDestination) anywhere() bool {
	return d.Remote == kernelRemote{Stays: d.Remote.Stays &^ stays}
}

// remember tells the kernel a decision, as widely as it holds. It was made in
// the given epoch, and counts in no other: what changed since is judged again.
func (c *cache) remember(o kernelOwner, flow kernelFlow, a firewall.Attempt, d firewall.Decision, epoch uint32, judge judge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.next.Epoch && d.Reason != firewall.ByAnswer {
		var ok bool
		a.Program = c.proven(a.Program, o.Program)
		if d, ok = judge(a); !ok {
			return
		}
	}
	if a.Program.Kind == firewall.Unidentified {
		d.Scope = firewall.ThisFlow
	}
	if d.Bounds.Host {
		host, until := c.known(a.Remote.Addr())
		if host != a.Host || d.Scope == firewall.ThisFlow {
			return // the name changed meanwhile
		}
		d = whileKnown(d, until)
		c.pinName(a.Remote.Addr(), host, until)
	}
	cookie, r := flow.Cookie, flow.Remote
	if (c.place(r) == firewall.Resolver) != (a.Place == firewall.Resolver) {
		return // judged as, or not as, what was a resolver then
	}
	v := c.verdict(d)
	key, wide := keyOf(o, r, c.zones.Of(a.Remote.Addr()), d)
	switch {
	case wide:
		c.put(key, remembered{a.Program, a.Place, a.Remote.Addr(), d.Bounds.Host}, v)
	case d.Bounds.Process:
		return // the socket may be another process's in a moment
	default:
		c.putFlow(flow, a, v)
		if d.Reason == firewall.ByAnswer && cookie != 0 {
			if len(c.once) >= maxOnce {
				clear(c.once)
			}
			c.once[flow] = firewall.Decision{Verdict: d.Verdict, Reason: d.Reason, Rule: d.Rule}
		}
	}
	if cookie == 0 || d.Verdict != firewall.Allow || a.Direction == firewall.In {
		return
	}
	now := o
	if c.k.Owners.Lookup(&cookie, &now) != nil {
		now = o
	}
	now.Remote, now.Epoch, now.Decision = r, v.Epoch, v.Decision
	now.Verdict, now.Scope = kernelAllow, byFlow
	switch {
	case !wide:
		now.Flags |= ownerOnce
	case key.whole() && v.Until == 0:
		now.Scope = byProgram
	default:
		now.Scope = byDestination
	}
	now.Flags = now.Flags&^ownerHeld | ownerLogged
	c.k.Owners.Put(&cookie, &now)
}

// putFlow gives the kernel a verdict about one flow. One of datagrams from
// outside is known by where an answer goes.
func (c *cache) putFlow(flow kernelFlow, a firewall.Attempt, v kernelVerdict) {
	if a.Direction == firewall.Out || a.Protocol == firewall.TCP {
		c.k.Flows.Put(&flow, &v)
		return
	}
	answer := a.Flow
	answer.Direction = firewall.Out
	key, port := flowKey(flow.Cookie, answer), uint32(a.Local.Port())
	c.k.Heard.Put(&key, &kernelWelcome{Verdict: v, Port: port})
}

// put gives the kernel a verdict and keeps in mind what for.
func (c *cache) put(key kernelDestination, m remembered, v kernelVerdict) {
	if key.whole() {
		c.k.Programs.Put(&key.Program, &v)
		if !c.elsewhere(key.Program) && c.learnt(key.Program, m.program, v) {
			return
		}
	} else {
		c.setFlags(key, m)
		c.k.Destinations.Put(&key, &v)
	}
	c.keep(key, m)
}

func (c *cache) setFlags(key kernelDestination, m remembered) {
	if key.Process != 0 {
		c.needs(flagProcesses)
	}
	if m.host {
		c.needs(flagByName)
	}
	if key.Remote.Stays/zone != 0 {
		c.needs(flagZoned)
	}
}
