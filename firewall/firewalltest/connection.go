package firewalltest

import (
	"sync"

	"sallyport.dev/sallyport/firewall"
)

// Connection is a flow that a program of a [Memory] opened or tried to open.
type Connection struct {
	firewall.Attempt
	memory *Memory

	mu       sync.Mutex
	decision firewall.Decision
	releases int           // how often the sink released it
	known    chan struct{} // closed when it is decided
	gone     chan struct{} // closed when the program gives up
	closed   chan struct{} // closed when it is closed or cut
}

// Resend sends the first packet again, as TCP does while nobody replies.
func (c *Connection) Resend() {
	c.memory.mu.Lock()
	sink, generation := c.memory.sink, c.memory.generation
	c.memory.mu.Unlock()
	if sink == nil {
		c.decide(firewall.Decision{Verdict: firewall.Allow})
		return
	}
	sink.Hold(firewall.Held{
		Attempt: c.Attempt,
		Gone:    c.gone,
		Release: func(d firewall.Decision) {
			c.memory.released(c.Attempt, d, generation)
			c.mu.Lock()
			c.releases++
			c.mu.Unlock()
			c.decide(d)
		},
	})
}

// decide notes the first decision.
func (c *Connection) decide(d firewall.Decision) {
	c.mu.Lock()
	first := !c.decided()
	if first {
		c.decision = d
		close(c.known)
	}
	c.mu.Unlock()
	if first && d.Verdict != firewall.Allow {
		c.Close()
	}
}

func (c *Connection) decided() bool { return isClosed(c.known) }

// Decided is closed when the connection is allowed or blocked.
func (c *Connection) Decided() <-chan struct{} { return c.known }

// Decision returns what became of the attempt; ok is false while it is held.
func (c *Connection) Decision() (d firewall.Decision, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decision, c.decided()
}

// Releases counts how many of its packets were released from a hold.
func (c *Connection) Releases() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.releases
}

// Closed is closed when the connection was blocked, cut, or closed.
func (c *Connection) Closed() <-chan struct{} { return c.closed }

// Close has the program give up, or close the established connection.
func (c *Connection) Close() {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	delete(c.memory.connections, c)
	if !isClosed(c.closed) {
		close(c.closed)
		close(c.gone)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
