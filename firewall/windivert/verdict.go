package windivert

import (
	"encoding/binary"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// carryOut passes or refuses a packet.
func (c *core) carryOut(f *flow, b []byte, a *address, d *datagram, v firewall.Verdict) {
	if v == firewall.Allow {
		c.pass(b, a, d, true)
		return
	}
	c.refuse(f, b, a, d)
}

// carryOutAll passes or refuses what waited of a flow.
func (c *core) carryOutAll(f *flow, ws []waiting, v firewall.Verdict) {
	for _, w := range ws {
		c.carryOut(f, w.bytes, &w.address, w.datagram, v)
	}
}

// pass sends a packet, and what follows it of its datagram, or drops them.
func (c *core) pass(b []byte, a *address, d *datagram, allowed bool) {
	if allowed {
		c.send(b, a)
	}
	c.settle(d, allowed)
}

// send injects a captured packet as it was meant to go.
func (c *core) send(b []byte, a *address) {
	out := *a
	if a.outbound() && !ownChecksum(b) {
		out = a.computed()
	}
	if err := c.inject(b, out); err != nil {
		c.failed.Add(1)
		c.log.Warn("send a packet on", "error", err)
	}
}

// ownChecksum tells whether a packet's checksum is the sender's own business: that
// of ICMP is, and that of a fragment covers more than the packet has.
func ownChecksum(b []byte) bool {
	if b[0]>>4 == 4 {
		return b[9] == byte(firewall.ICMP) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0
	}
	return b[6] != byte(firewall.TCP) && b[6] != byte(firewall.UDP)
}

// refuse drops a packet so that its program sees an error at once. Whoever
// opens a connection from outside sees nothing. Neither does a datagram socket
// that serves others too, since Windows reports the error to its next read,
// nor one that outlives a lock.
func (c *core) refuse(f *flow, b []byte, a *address, d *datagram) {
	c.settle(d, false)
	if f.key.Direction == firewall.In {
		return
	}
	answer, ok := []byte(nil), false
	switch f.key.Protocol {
	case firewall.TCP:
		answer, ok = reset(b)
	case firewall.UDP:
		if f.alone() && c.policy.Mode != firewall.ModeLock {
			answer, ok = unreachable(b)
		}
	}
	if !ok {
		return
	}
	if err := c.inject(answer, a.returned()); err != nil {
		c.failed.Add(1)
		c.log.Warn("refuse a packet", "remote", f.key.Remote, "error", err)
	}
}

// wait keeps a packet until its flow is decided. Of TCP the newest counts, of
// anything else the first ones: the rest is lost as on a busy network.
func (c *core) wait(f *flow, b []byte, a *address, d *datagram, now time.Time) {
	if f.key.Protocol == firewall.TCP && len(f.waiting) == 1 {
		w := &f.waiting[0]
		c.bytes += len(b) - len(w.bytes)
		w.bytes, w.address = append(w.bytes[:0], b...), *a
		if w.datagram != d {
			c.settle(w.datagram, false)
			w.datagram = d
		}
		return
	}
	if len(f.waiting) >= maxDatagramsHeld {
		c.settle(d, false)
		return
	}
	if !c.room(len(b)) {
		c.refuse(f, b, a, d)
		c.overflown.Add(1)
		c.journal.add(c.described(f), firewall.Decision{Reason: firewall.Overflow}, now)
		return
	}
	c.packets++
	c.bytes += len(b)
	f.waiting = append(f.waiting, waiting{bytes: append([]byte(nil), b...), address: *a, datagram: d})
}

// room tells whether one more packet can wait.
func (c *core) room(bytes int) bool {
	return c.packets < c.limits.Packets && c.bytes+bytes <= c.limits.Bytes
}

// described is the attempt of a flow as far as it is known.
func (c *core) described(f *flow) *firewall.Attempt {
	if f.stage != known {
		f.attempt.Program = unknownProgram(f.key.Flow)
	}
	return &f.attempt
}

// end takes the packets that wait out of a flow.
func (c *core) end(f *flow) []waiting {
	ws := f.waiting
	f.waiting = nil
	for _, w := range ws {
		c.packets--
		c.bytes -= len(w.bytes)
	}
	return ws
}

// leave tells the engine that nobody waits for a connection any more. A
// datagram is still worth sending when its socket is closed.
func (c *core) leave(f *flow) {
	if f.key.Protocol == firewall.TCP && !f.left {
		f.left = true
		close(f.gone)
	}
}

// abandon ends a flow whose program gave up, or opened another in its place.
func (c *core) abandon(f *flow) {
	if f.asked {
		c.leave(f)
		return
	}
	for _, w := range c.end(f) {
		c.settle(w.datagram, false)
	}
}

// firstFragment returns the datagram of a first fragment, nil if there are too
// many. One with the same number takes the place of an older one.
func (c *core) firstFragment(key fragmentKey, now time.Time) *datagram {
	if old := c.datagrams.byKey[key]; old != nil && old.first {
		if !old.decided {
			c.settle(old, false)
		}
		delete(c.datagrams.byKey, key)
	}
	d := c.datagrams.of(key, now)
	if d != nil {
		d.first = true
	}
	return d
}

// laterFragment has a fragment share the fate of the first one.
func (c *core) laterFragment(b []byte, a *address, f *fragment, now time.Time) {
	if f.hides() {
		c.senseless(firewall.Flow{Protocol: f.protocol}, now)
		return
	}
	d := c.datagrams.of(f.fragmentKey, now)
	switch {
	case d != nil && d.decided:
		if d.allowed {
			c.send(b, a)
		}
	case d == nil, len(d.later) >= maxFragments, !c.room(len(b)):
		c.overflow(b, firewall.Out, now)
	default:
		c.packets++
		c.bytes += len(b)
		d.later = append(d.later, waiting{bytes: append([]byte(nil), b...), address: *a})
	}
}

// settle decides the later fragments of a datagram, present and to come.
func (c *core) settle(d *datagram, allowed bool) {
	if d == nil || d.decided {
		return
	}
	d.decided, d.allowed = true, allowed
	for i := range d.later {
		w := &d.later[i]
		if allowed {
			c.send(w.bytes, &w.address)
		}
		c.packets--
		c.bytes -= len(w.bytes)
	}
	d.later = nil
}

// senseless logs a packet that no rule can be asked about, and that is dropped.
func (c *core) senseless(f firewall.Flow, now time.Time) {
	a := firewall.Attempt{Flow: f, UID: -1, Program: firewall.Program{File: "packet", Why: "its packet makes no sense"}}
	c.journal.add(&a, firewall.Decision{Reason: firewall.NotParsed}, now)
}

// overflow drops a packet for which there is no room.
func (c *core) overflow(b []byte, d firewall.Direction, now time.Time) {
	c.overflown.Add(1)
	p, err := packet.Parse(b, d)
	if err != nil {
		c.senseless(firewall.Flow{Direction: d}, now)
		return
	}
	a := firewall.Attempt{Flow: p.Flow, UID: -1, Program: unknownProgram(p.Flow)}
	c.journal.add(&a, firewall.Decision{Reason: firewall.Overflow}, now)
}
