package netfilter

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"sallyport.dev/sallyport/firewall"
)

// sweepEvery is how often what the kernel decided is collected, and settled
// after which time nobody writes any more to the map that was written before; a
// line is readable after their sum.
const (
	sweepEvery = 400 * time.Millisecond
	settled    = 50 * time.Millisecond
)

// journal collects what the kernel decided by itself. The kernel counts in one
// of two maps while the other is emptied.
func (r *run) journal(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var still <-chan time.Time
	for n := uint32(0); ; {
		select {
		case <-ctx.Done():
			r.sweep(r.kernel.SeenEven)
			r.sweep(r.kernel.SeenOdd)
			return
		case <-tick.C:
			n++
			if err := r.kernel.Ticks.Put(uint32(0), n); err != nil {
				r.log.Warn("change the journal's map", "error", err)
			}
			still = time.After(settled)
		case <-still:
			r.sweep(r.seenMap(n - 1))
			r.reportHands()
			r.countLost()
		}
	}
}

func (r *run) seenMap(n uint32) *ebpf.Map {
	if n&1 == 1 {
		return r.kernel.SeenOdd
	}
	return r.kernel.SeenEven
}

func (r *run) sweep(m *ebpf.Map) {
	const batch = 512
	keys, values := make([]kernelSeenKey, batch), make([]kernelSeen, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookupAndDelete(&cursor, keys, values, nil)
		for i := range n {
			r.report(keys[i], values[i])
		}
		if err != nil {
			if !errors.Is(err, ebpf.ErrKeyNotExist) {
				r.log.Warn("collect decided flows", "error", err)
			}
			return
		}
	}
}

// report tells the sink what the kernel decided.
func (r *run) report(key kernelSeenKey, s kernelSeen) {
	flow := key.Remote.flow()
	local, port := address(s.Local), uint16(s.LocalPort)
	if flow.Direction == firewall.In {
		flow.Local = netip.AddrPortFrom(local, flow.Local.Port())
		flow.Remote = netip.AddrPortFrom(flow.Remote.Addr(), port)
	} else {
		flow.Local = netip.AddrPortFrom(local, port)
	}
	program := r.identities.program(key.Program, s.Pid)
	a := firewall.Attempt{
		Flow: flow.Normal(), Program: program, PID: int(s.Pid), UID: int(int32(s.Uid)), Parent: int(key.Parent), Started: startTime(s.Started),
		Host: r.names.Lookup(flow.Remote.Addr()), Time: wallClock(s.First),
	}
	if program.Kind == firewall.Kernel {
		a.UID = -1
	}
	d := r.cache.decision(key.Decision, key.Verdict)
	r.sink.Decided(firewall.Entry{Attempt: a, Decision: d, Count: int(min(s.Count, 1<<31-1))})
}

// countLost tells the sink about events that were lost since the last time.
func (r *run) countLost() {
	lost := r.lost()
	if before := r.lostBefore.Swap(lost); lost > before {
		r.sink.Lost(lost - before)
	}
}

// lost sums what the kernel side and its queue could not deliver.
func (r *run) lost() uint64 {
	r.overflown.Store(queues()[r.queueNumber])
	return r.counter(0) + r.counter(2) + r.overflown.Load()
}

func (r *run) counter(which uint32) (sum uint64) {
	var each []uint64
	if r.kernel.Counters.Lookup(which, &each) != nil {
		return 0
	}
	for _, n := range each {
		sum += n
	}
	return sum
}
