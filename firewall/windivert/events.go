package windivert

import (
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// event takes note of what happened to a socket.
func (c *core) event(a *address, now time.Time) {
	key := flowKey{Flow: a.flow()}
	switch a.event() {
	case eventBind:
		delete(c.older, socketOf(key.Flow))
	case eventConnect:
		c.opened(key, a, firewall.Out, now)
	case eventAccept:
		// What answers a datagram from outside is not opened here. A connection
		// from outside was judged by its first segment.
		if key.Protocol == firewall.UDP {
			c.opened(key, a, firewall.In, now)
		}
	case eventClose:
		for _, f := range c.flows.of(a.endpoint(), key) {
			c.flows.close(f, now)
			if f.asked {
				c.leave(f)
			}
		}
	}
}

// opened joins a flow with the socket that opens it.
func (c *core) opened(key flowKey, a *address, d firewall.Direction, now time.Time) {
	if a.loopback() || key.Remote.Addr().IsLoopback() {
		return // no packet of these is seen
	}
	f := c.flows.byKey[key]
	pid, endpoint := a.process(), a.endpoint()
	if f != nil && (f.stage == known || f.closed) {
		switch {
		case f.closed:
		case !f.joined && f.pid == pid && f.attempt.Program.Kind != firewall.Unidentified, !f.joined && f.asked:
			c.flows.join(f, endpoint) // the event is late
			return
		case f.joined && f.pid == pid && f.endpoint == endpoint && (endpoint != 0 || key.Protocol != firewall.TCP):
			f.renewed = now // the system allows the flow anew, or its socket connects again
			return
		}
		c.abandon(f)
		f = nil
	}
	if f == nil {
		if f = c.flows.add(key); f == nil {
			c.lost(1)
			return
		}
	}
	f.attempt.Direction, f.pid = d, pid
	c.flows.join(f, endpoint)
	c.identify(f, task{pid: pid, seen: now})
}

// identify has the system say whose a flow is.
func (c *core) identify(f *flow, t task) {
	f.ticket++
	f.stage = identifying
	t.flow, t.ticket, t.of = f, f.ticket, f.attempt.Flow
	select {
	case c.tasks <- t:
	default:
		// Nobody can be asked about it: its next packet begins again.
		c.overflown.Add(1)
		c.flows.remove(f)
		if len(f.waiting) > 0 {
			c.journal.add(c.described(f), firewall.Decision{Reason: firewall.Overflow}, t.seen)
		}
		for _, w := range c.end(f) {
			c.refuse(f, w.bytes, &w.address, w.datagram)
		}
	}
}

// checkAgain has the system say again whose a flow is, of which no event tells.
// Its packets need not wait for that.
func (c *core) checkAgain(f *flow, now time.Time) {
	f.until = now.Add(believed)
	f.ticket++
	select {
	case c.tasks <- task{flow: f, ticket: f.ticket, of: f.attempt.Flow, owned: true, seen: now}:
	default:
		c.flows.remove(f) // its next packet begins again
	}
}

// identified decides what waits of a flow of which is known now whose it is.
func (c *core) identified(r result, now time.Time) {
	f := r.flow
	if f.ticket != r.ticket || f.asked {
		return
	}
	if r.nobody {
		// The system answers that nobody is there, as without a firewall.
		for _, w := range c.end(f) {
			c.send(w.bytes, &w.address)
		}
		c.flows.remove(f)
		return
	}
	if f.stage == known {
		if f.provisional = r.provisional; f.attempt.Program == r.program && f.pid == r.pid && f.attempt.Started.Equal(r.started) {
			return
		}
		f.verdict, f.answered, f.logged, f.line = verdict{}, false, false, nil
	}
	f.stage, f.pid = known, r.pid
	f.attempt.Program, f.attempt.PID, f.attempt.Started, f.attempt.UID = r.program, int(r.pid), r.started, r.uid
	f.attempt.StartedBy, f.attempt.SID, f.provisional = r.by, r.sid, r.provisional
	if !f.joined && !f.closed {
		f.until = now.Add(believed)
	}
	if len(f.waiting) == 0 {
		return
	}
	if f.key.Remote.Port() == dnsPort && f.key.Protocol == firewall.UDP {
		for _, w := range f.waiting { // the resolver may not have been known
			if p, err := packet.Parse(w.bytes, firewall.Out); err == nil {
				c.names.See(p)
			}
		}
	}
	if !c.decide(f, now) {
		c.ask(f, now)
		return
	}
	for _, w := range c.end(f) {
		c.note(f, now)
		c.carryOut(f, w.bytes, &w.address, w.datagram, f.verdict.Verdict)
	}
}

// ask hands a flow of which packets wait over to the engine.
func (c *core) ask(f *flow, now time.Time) {
	if len(f.waiting) == 0 {
		return
	}
	f.asked, f.left, f.gone = true, false, make(chan struct{})
	c.asked[f] = true
	if f.closed {
		c.leave(f)
	}
	c.holds.put(firewall.Held{
		Attempt: f.attempt,
		Gone:    f.gone,
		Release: func(d firewall.Decision) { c.releases.put(release{f, d}) },
	})
}

// released carries out what the engine decided.
func (c *core) released(r release, now time.Time) {
	f, d := r.flow, r.decision
	if !c.asked[f] {
		return // the backend stopped meanwhile
	}
	delete(c.asked, f)
	f.asked = false
	ws := c.end(f)
	switch d.Reason {
	case firewall.Gone:
		for _, w := range ws {
			c.settle(w.datagram, false)
		}
		return
	case firewall.Stopping, firewall.Unanswered, firewall.TooMany, firewall.Overflow:
		f.refused = now
	case firewall.ByAnswer:
		f.answer, f.answered = d, true
		c.remember(f, d)
	default:
		c.remember(f, c.store(&f.attempt, d))
	}
	f.logged, f.line = true, nil // by the engine
	c.carryOutAll(f, ws, d.Verdict)
}

// collect takes what other goroutines have for the worker.
func (c *core) collect(now time.Time) {
	if resolvers := c.resolvers.Load(); resolvers != c.places {
		c.places = resolvers
		c.forget()
	}
	for _, r := range c.releases.take() {
		c.released(r, now)
	}
	for _, r := range c.results.take() {
		c.identified(r, now)
	}
}

// apply puts a policy into force. All that was decided before is forgotten.
func (c *core) apply(p firewall.Policy, now time.Time) {
	c.collect(now)
	c.policy = p
	c.forget()
}

func (c *core) forget() {
	c.epoch++
	c.cache.clear()
}

// due is when expire has something to do; zero if it has not.
func (c *core) due() (next time.Time) {
	times := [...]time.Time{c.journal.due, c.datagrams.due, c.flows.due(), {}}
	if len(c.joining) > 0 {
		times[3] = c.joining[0].at
	}
	for _, t := range times {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// expire does what is due.
func (c *core) expire(now time.Time) {
	for len(c.joining) > 0 && !now.Before(c.joining[0].at) {
		f := c.joining[0].flow
		c.joining = c.joining[1:]
		switch {
		case f.stage != unjoined:
		case len(f.waiting) == 0:
			c.flows.remove(f)
		default:
			c.identify(f, task{owned: true, seen: now})
		}
	}
	for _, d := range c.datagrams.expire(now) {
		c.settle(d, false)
		c.senseless(firewall.Flow{Protocol: d.key.protocol}, now)
	}
	c.flows.expire(now)
	c.journal.expire(now)
}
