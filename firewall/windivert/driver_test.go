package windivert

import (
	"errors"
	"slices"
	"sync"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// memoryDriver is WinDivert in memory: handles by priority, each with a filter
// and a queue.
type memoryDriver struct {
	world *world

	mu      sync.Mutex
	handles []*memoryHandle // the highest priority first
	refused error           // what the next open fails with
}

// memoryHandle is a handle of a memoryDriver.
type memoryHandle struct {
	driver   *memoryDriver
	layer    layer
	filter   string
	priority int16
	flags    uint64

	mu     sync.Mutex
	queue  []record
	err    error // after the queue is empty
	stuck  bool  // nothing is received for now
	closed bool
	notify chan struct{}
}

var errNoDriver = errors.New("the driver is not there")

func (d *memoryDriver) open(filter string, l layer, priority int16, flags uint64) (handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.refused; err != nil {
		d.refused = nil
		return nil, err
	}
	h := &memoryHandle{driver: d, layer: l, filter: filter, priority: priority, flags: flags, notify: make(chan struct{}, 1)}
	d.handles = append(d.handles, h)
	slices.SortStableFunc(d.handles, func(a, b *memoryHandle) int { return int(b.priority) - int(a.priority) })
	return h, nil
}

// handle finds the open handle with a filter, or nil.
func (d *memoryDriver) handle(filter string) *memoryHandle {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.handles, func(h *memoryHandle) bool { return h.filter == filter })
	if i < 0 {
		return nil
	}
	return d.handles[i]
}

func (d *memoryDriver) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.handles)
}

// take gives a packet to the first handle below the priority that wants it,
// and tells whether one did.
func (d *memoryDriver) take(b []byte, a address, below int16) bool {
	d.mu.Lock()
	handles := slices.Clone(d.handles)
	d.mu.Unlock()
	for _, h := range handles {
		if h.layer != layerNetwork || h.priority >= below || !wants(h.filter, b, a) {
			continue
		}
		if h.flags&flagDrop != 0 || h.put(record{bytes: slices.Clone(b), address: a}) {
			return true
		}
	}
	return false
}

// wants evaluates one of our filters.
func wants(filter string, b []byte, a address) bool {
	d := firewall.In
	if a.outbound() {
		d = firewall.Out
	}
	_, fragmented := fragmentOf(b)
	p, err := packet.Parse(b, d)
	f := p.Flow
	whole := err == nil && !p.Fragment
	judged := fragmented || whole && (p.Opens() || f.Protocol == firewall.UDP || f.Protocol == firewall.ICMP)
	switch filter {
	case filterPackets:
		return d == firewall.Out && judged || d == firewall.In && whole && (p.Opens() || f.Protocol == firewall.UDP)
	case filterLock:
		return d == firewall.In || !judged
	case filterConnection(outward(f)):
		return f.Protocol == firewall.TCP
	}
	return false
}

func outward(f firewall.Flow) firewall.Flow {
	f.Direction = firewall.Out
	return f
}

// put queues a record, and tells whether the handle still takes any.
func (h *memoryHandle) put(r record) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return false
	}
	h.queue = append(h.queue, r)
	h.wake()
	return true
}

// whileFull has fill put records into the queue and then, while none of them
// can be received, act.
func (h *memoryHandle) whileFull(fill, act func()) {
	h.mu.Lock()
	h.stuck = true
	h.mu.Unlock()
	fill()
	act()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stuck = false
	h.wake()
}

func (h *memoryHandle) wake() {
	select {
	case h.notify <- struct{}{}:
	default:
	}
}

// lose ends the handle as if the driver had been stopped.
func (h *memoryHandle) lose() {
	h.mu.Lock()
	h.err, h.queue = errNoDriver, nil
	h.wake()
	h.mu.Unlock()
}

func (h *memoryHandle) receive(buffer []byte) (int, address, error) {
	for {
		h.mu.Lock()
		if len(h.queue) > 0 && !h.stuck {
			r := h.queue[0]
			h.queue = h.queue[1:]
			h.mu.Unlock()
			return copy(buffer, r.bytes), r.address, nil
		}
		err, stuck := h.err, h.stuck
		h.mu.Unlock()
		if err != nil && !stuck {
			return 0, address{}, err
		}
		<-h.notify
	}
}

func (h *memoryHandle) send(b []byte, a address) error {
	h.mu.Lock()
	if h.closed || h.err == errNoDriver {
		h.mu.Unlock()
		return errNoDriver
	}
	h.mu.Unlock()
	h.driver.world.travel(slices.Clone(b), a, h.priority)
	return nil
}

func (h *memoryHandle) shutdown() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = errDrained
	}
	h.wake()
	return nil
}

func (h *memoryHandle) close() error {
	h.mu.Lock()
	h.closed = true
	if h.err == nil {
		h.err = errNoDriver
	}
	h.wake()
	h.mu.Unlock()
	h.driver.mu.Lock()
	defer h.driver.mu.Unlock()
	h.driver.handles = slices.DeleteFunc(h.driver.handles, func(o *memoryHandle) bool { return o == h })
	return nil
}
