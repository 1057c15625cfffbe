package windivert

import (
	"context"
	"errors"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// handsBack has the core let pass what nobody decided, if that is how the run
// is to end: in order, under fail open, and not for the next engine.
func (r *run) handsBack(ctx context.Context) bool {
	if errors.Is(context.Cause(ctx), firewall.ErrHandOver) {
		return false
	}
	hands := false
	r.worker.do(func() {
		hands = r.worker.core.policy.FailOpen
		r.worker.core.handing = hands
	})
	return hands
}

// stop ends the wait of everything: see [core.parting].
func (c *core) stop(now time.Time) {
	c.collect(now)
	d := c.parting()
	for _, f := range c.flows.byKey {
		if len(f.waiting) > 0 && !f.asked {
			c.journal.add(c.described(f), d, now)
			c.carryOutAll(f, c.end(f), d.Verdict)
		}
	}
	for f := range c.asked {
		c.carryOutAll(f, c.end(f), d.Verdict) // the engine logs it when it stops
	}
	clear(c.asked)
	for _, g := range c.datagrams.order {
		if !g.decided && len(g.later) > 0 {
			a := firewall.Attempt{
				Flow: firewall.Flow{Protocol: g.key.protocol}, UID: -1,
				Program: firewall.Program{File: "packet", Why: "the beginning of its datagram did not come"},
			}
			c.journal.add(&a, d, now)
			c.settle(g, d.Verdict == firewall.Allow)
		}
	}
	c.journal.flush()
}

// parting decides what waits when the worker ends.
func (c *core) parting() firewall.Decision {
	switch {
	case c.policy.Mode == firewall.ModeLock:
		return firewall.Decision{Verdict: firewall.Block, Reason: firewall.ByMode}
	case c.policy.Mode == firewall.ModeOff:
		return firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByMode}
	case c.handing:
		return firewall.Decision{Verdict: firewall.Allow, Reason: firewall.HandedBack}
	}
	return firewall.Decision{Verdict: firewall.Block, Reason: firewall.Stopping}
}
