package windivert

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// maxCutting bounds the connections that are being cut at a time: each has a
// handle of its own.
const maxCutting = 256

// cutter ends established connections that the system does not end, by resets
// in both directions. A reset counts only with the right sequence number
// (RFC 5961), which a packet of the connection tells: the next one, or the
// other end's answer to a segment that makes no sense (RFC 9293, 3.10.7.4).
type cutter struct {
	driver driver
	log    *slog.Logger

	mu      sync.Mutex
	stopped bool
	cutting map[firewall.Flow]handle
	wait    sync.WaitGroup
}

func newCutter(d driver, log *slog.Logger) *cutter {
	return &cutter{driver: d, log: log, cutting: make(map[firewall.Flow]handle)}
}

// cut has nothing of a connection pass any more, and ends it soon.
func (c *cutter) cut(f firewall.Flow) error {
	f.Direction = firewall.Out
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped:
		return errors.New("the backend stops")
	case c.cutting[f] != nil:
		return nil
	case len(c.cutting) >= maxCutting:
		return errors.New("too many connections are being cut")
	}
	h, err := c.driver.open(filterConnection(f), layerNetwork, priorityCut, 0)
	if err != nil {
		return fmt.Errorf("watch a connection: %w", err)
	}
	c.cutting[f] = h
	c.wait.Go(func() { c.reset(f, h) })
	return nil
}

// reset waits for a packet that tells the sequence numbers.
func (c *cutter) reset(f firewall.Flow, h handle) {
	defer func() {
		c.mu.Lock()
		delete(c.cutting, f)
		c.mu.Unlock()
		h.close()
	}()
	probe := segment{flow: f, flags: packet.ACK}
	if err := h.send(probe.bytes(), outboundAddress(f)); err != nil {
		c.log.Warn("ask the other end of a connection for its numbers", "remote", f.Remote, "error", err)
	}
	buffer := make([]byte, maxPacket)
	for {
		n, a, err := h.receive(buffer)
		if err != nil {
			return
		}
		if resetBoth(f, buffer[:n], a, h.send) {
			return
		}
	}
}

// resetBoth resets both ends of a connection of which a packet was captured;
// it tells whether the packet was one that tells how.
func resetBoth(f firewall.Flow, b []byte, a address, send func([]byte, address) error) bool {
	d := firewall.In
	if a.outbound() {
		d = firewall.Out
	}
	p, err := packet.Parse(b, d)
	if err != nil || p.Transport == nil || p.Flow.Protocol != firewall.TCP || p.TCPFlags&packet.ACK == 0 {
		return false
	}
	ours, theirs := sequenceOf(p), confirmedOf(p) // what this end sends next, and the other
	if d == firewall.In {
		ours, theirs = theirs, ours
	}
	back := f
	back.Local, back.Remote = f.Remote, f.Local
	inward, outward := a.computed(), a.computed()
	inward[addressFlags] &^= bitOutbound
	outward[addressFlags] |= bitOutbound
	here := send(segment{flow: back, flags: packet.RST | packet.ACK, sequence: theirs, confirmed: ours}.bytes(), inward)
	there := send(segment{flow: f, flags: packet.RST | packet.ACK, sequence: ours, confirmed: theirs}.bytes(), outward)
	return here == nil && there == nil
}

// keep gives up on all but the connections that there still are.
func (c *cutter) keep(list []connection) {
	there := make(map[firewall.Flow]bool, len(list))
	for _, l := range list {
		l.Flow.Direction = firewall.Out
		there[l.Flow] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for f, h := range c.cutting {
		if !there[f] {
			giveUp(h)
		}
	}
}

// giveUp has the reader of a handle end.
func giveUp(h handle) {
	if err := h.shutdown(); err != nil {
		h.close()
	}
}

// stop gives up on what is still being cut.
func (c *cutter) stop() {
	c.mu.Lock()
	c.stopped = true
	for _, h := range c.cutting {
		giveUp(h)
	}
	c.mu.Unlock()
	c.wait.Wait()
}
