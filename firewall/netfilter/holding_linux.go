package netfilter

import (
	"sync"

	"sallyport.dev/sallyport/firewall"
)

// So many packets are held of one flow and, besides the first of each flow, of
// one program; more are dropped, as the network would. The queue has room for
// other programs.
const (
	maxPackets           = 64
	maxPacketsPerProgram = 256

	// busyFlows is how many waiting flows of a program are enough to know it by:
	// nobody waits for the names of more.
	busyFlows = 32
)

// heldFlow is a flow of which packets wait in the kernel's queue.
type heldFlow struct {
	key     kernelFlow
	attempt firewall.Attempt
	owner   kernelOwner
	packets []uint32
	gone    chan struct{}
	closed  bool // gone is
	open    bool // it outlives a lock: a connection, or a datagram socket
}

// release is a decision on its way to the kernel.
type release struct {
	flow  *heldFlow
	d     firewall.Decision
	epoch uint32
}

// holding keeps the held flows and the decisions that end them.
type holding struct {
	mu       sync.Mutex
	flows    map[kernelFlow]*heldFlow
	waiting  map[kernelProgram]int // its flows
	more     map[kernelProgram]int // packets of its flows, besides the first of each
	releases []release
	wake     chan struct{}
}

func newHolding() *holding {
	return &holding{flows: make(map[kernelFlow]*heldFlow), more: make(map[kernelProgram]int), waiting: make(map[kernelProgram]int), wake: make(chan struct{}, 1)}
}

// join adds a packet to a flow that is held already. held is false if it is
// not, kept is false if the flow or its program has too many packets.
func (h *holding) join(key kernelFlow, packet uint32) (held, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.flows[key]
	if !ok || key.Cookie == 0 {
		return false, false
	}
	if len(f.packets) >= maxPackets || h.more[f.owner.Program] >= maxPacketsPerProgram {
		return true, false
	}
	h.more[f.owner.Program]++
	f.packets = append(f.packets, packet)
	return true, true
}

// holds tells whether a flow is held.
func (h *holding) holds(key kernelFlow) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.flows[key] != nil
}

func (h *holding) add(f *heldFlow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.key.Cookie != 0 {
		h.flows[f.key] = f
		h.waiting[f.owner.Program]++
	}
}

// busy tells whether many flows of a program wait already.
func (h *holding) busy(p kernelProgram) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waiting[p] >= busyFlows
}

// release queues a decision; it never waits.
func (h *holding) release(r release) {
	h.mu.Lock()
	h.releases = append(h.releases, r)
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// next takes the decisions that were made, in order.
func (h *holding) next() (rs []release) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rs, h.releases = h.releases, nil
	return rs
}

// end takes a flow out and returns its packets, in order.
func (h *holding) end(f *heldFlow) []uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flows[f.key] == f {
		delete(h.flows, f.key)
		if h.waiting[f.owner.Program]--; h.waiting[f.owner.Program] <= 0 {
			delete(h.waiting, f.owner.Program)
		}
	}
	if h.more[f.owner.Program] -= max(0, len(f.packets)-1); h.more[f.owner.Program] <= 0 {
		delete(h.more, f.owner.Program)
	}
	return f.packets
}

// socketGone tells the sink that nobody waits for the socket's connection. A
// datagram is still worth sending when its socket is closed.
func (h *holding) socketGone(cookie uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, f := range h.flows {
		if key.Cookie == cookie && !f.closed && f.attempt.Protocol == firewall.TCP {
			f.closed = true
			close(f.gone)
		}
	}
}
