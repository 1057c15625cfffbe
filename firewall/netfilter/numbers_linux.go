package netfilter

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	decidedByLock   = 1
	decidedAsForged = 2
	overflown       = 3
	maxNumbers      = 1 << 16
)

// numbers name decisions to the kernel, which tells them back for the log.
type numbers struct {
	decisions map[uint32]firewall.Decision
	numbers   map[firewall.Decision]uint32
	last      uint32
}

func newNumbers() numbers {
	return numbers{
		decisions: make(map[uint32]firewall.Decision),
		numbers:   make(map[firewall.Decision]uint32),
		last:      uint32(time.Now().Unix()) << 8, // not what an engine before counted from
	}
}

// number names a decision. How widely it holds makes no other decision of it.
func (n *numbers) number(d firewall.Decision) uint32 {
	d.Scope, d.Bounds = firewall.ThisFlow, firewall.Bounds{}
	if known, ok := n.numbers[d]; ok {
		return known
	}
	if len(n.numbers) > maxNumbers {
		clear(n.numbers)
		clear(n.decisions)
	}
	n.last = max(n.last+1, overflown+1)
	n.numbers[d], n.decisions[n.last] = n.last, d
	return n.last
}

// decision is what a number stands for; an engine before may have made it.
func (c *cache) decision(number, verdict uint32) firewall.Decision {
	switch number {
	case decidedByLock:
		return firewall.Decision{Reason: firewall.ByMode}
	case decidedAsForged:
		return firewall.Decision{Reason: firewall.NotParsed}
	case overflown:
		return firewall.Decision{Reason: firewall.Overflow}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.decisions[number]; ok {
		return d
	}
	d := firewall.Decision{Reason: firewall.ByRule}
	if verdict == kernelAllow {
		d.Verdict = firewall.Allow
	}
	return d
}
