package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

const (
	eventGone     = 1
	eventDNS      = 2
	eventLocalDNS = 3
	eventHanded   = 4
	eventKnock    = 5

	eventHeader = 16                     // struct event
	eventsEvery = 250 * time.Millisecond // at the latest; each look wakes a processor
	drainFor    = 100 * time.Millisecond // at most

	repliesTold, repliesRead, engineAlive, packetsQueued, packetsRead = 0, 1, 2, 3, 4
)

// events reads what the kernel side tells: sockets that ended, and DNS.
type events struct {
	reader *ringbuf.Reader
	naming *ebpf.Map // how far names are known; see records.h
	gone   func(cookie uint64)
	handed func(cookie uint64)
	dns    func(packet.Packet)
	knock  func(cookie uint64, packet []byte)
	passes chan struct{} // a pass over everything that waited has ended
	wanted atomic.Int32
}

func newEvents(k *kernelSide, gone, handed func(uint64), dns func(packet.Packet), knock func(uint64, []byte)) (*events, error) {
	reader, err := ringbuf.NewReader(k.Events)
	if err != nil {
		return nil, fmt.Errorf("open the ring of events: %w", err)
	}
	return &events{reader: reader, naming: k.Naming, gone: gone, handed: handed, dns: dns, knock: knock, passes: make(chan struct{}, 1)}, nil
}

// read handles events until the reader is closed.
func (e *events) read() {
	var record ringbuf.Record
	for pause := time.Duration(0); ; {
		e.reader.SetDeadline(time.Now().Add(pause))
		wanted, told, err := e.pass(&record)
		switch {
		case errors.Is(err, ringbuf.ErrClosed):
			return
		case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, os.ErrDeadlineExceeded):
		default:
			continue
		}
		e.note(repliesRead, told)
		e.note(engineAlive, uint64(bootTimeOf(time.Now())))
		pause = eventsEvery
		if e.wanted.Add(-wanted) > 0 {
			pause = 0 // somebody asked meanwhile, and it may be this flush that they sent
		}
		if wanted > 0 {
			select {
			case e.passes <- struct{}{}:
			default:
			}
		}
	}
}

// pass handles events until the ring is found empty. It returns who had asked
// for that, and how many replies had been told, before.
func (e *events) pass(record *ringbuf.Record) (wanted int32, told uint64, err error) {
	for empty := true; ; {
		if empty {
			wanted, told = e.wanted.Load(), e.number(repliesTold)
		}
		if err := e.reader.ReadInto(record); err != nil {
			return wanted, told, err
		}
		e.handle(record.RawSample)
		if empty = record.Remaining == 0; empty {
			e.reader.SetDeadline(time.Now())
		}
	}
}

func (e *events) number(which uint32) (n uint64) {
	if e.naming.Lookup(which, &n) != nil {
		return 0
	}
	return n
}

func (e *events) note(which uint32, n uint64) {
	// A failure lets the kernel ask the engine about what depends on names.
	_ = e.naming.Put(which, n)
}

// drain returns when what was told before has been handled: the name of an
// address must be known before its first connection is shown.
func (e *events) drain() {
	select {
	case <-e.passes:
	default:
	}
	e.wanted.Add(1)
	if e.reader.Flush() != nil {
		return
	}
	select {
	case <-e.passes:
	case <-time.After(drainFor):
	}
}

func (e *events) handle(sample []byte) {
	if len(sample) < eventHeader {
		return
	}
	kind, length := binary.NativeEndian.Uint32(sample), binary.NativeEndian.Uint32(sample[4:])
	cookie := binary.NativeEndian.Uint64(sample[8:])
	switch kind {
	case eventGone:
		e.gone(cookie)
	case eventHanded:
		e.handed(cookie)
	case eventKnock:
		bytes := sample[eventHeader:]
		e.knock(cookie, bytes[:min(int(length), len(bytes))])
	case eventDNS, eventLocalDNS:
		direction := firewall.Out
		if cookie != 0 {
			direction = firewall.In
		}
		bytes := sample[eventHeader:]
		p, err := packet.Parse(bytes[:min(int(length), len(bytes))], direction)
		if err == nil && (kind == eventDNS || direction == firewall.Out || fromHere(p.Flow)) {
			e.dns(p)
		}
	}
}

// fromHere tells whether what came by the loopback device can be from this
// computer: a raw socket sends in any other's name to its own.
func fromHere(f firewall.Flow) bool {
	return f.Remote.Addr().IsLoopback() || f.Remote.Addr() == f.Local.Addr()
}
