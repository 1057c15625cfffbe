package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

const (
	eventGone = 1
	eventDNS  = 2

	eventHeader = 16                     // struct event
	eventsEvery = 100 * time.Millisecond // at the latest
	drainFor    = 20 * time.Millisecond  // at most
)

// events reads what the kernel side tells: sockets that ended, and DNS.
type events struct {
	reader *ringbuf.Reader
	gone   func(cookie uint64)
	dns    func(packet.Packet)
	passes chan struct{} // a pass over everything that waited has ended
	wanted atomic.Int32
}

func newEvents(k *kernelSide, gone func(uint64), dns func(packet.Packet)) (*events, error) {
	reader, err := ringbuf.NewReader(k.Events)
	if err != nil {
		return nil, fmt.Errorf("open the ring of events: %w", err)
	}
	return &events{reader: reader, gone: gone, dns: dns, passes: make(chan struct{}, 1)}, nil
}

// read handles events until the reader is closed.
func (e *events) read() {
	var record ringbuf.Record
	for {
		e.reader.SetDeadline(time.Now().Add(eventsEvery))
		err := e.reader.ReadInto(&record)
		switch {
		case err == nil:
			e.handle(record.RawSample)
		case errors.Is(err, ringbuf.ErrClosed):
			return
		case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, os.ErrDeadlineExceeded):
			if e.wanted.Swap(0) > 0 {
				select {
				case e.passes <- struct{}{}:
				default:
				}
			}
		}
	}
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
	case eventDNS:
		direction := firewall.Out
		if cookie != 0 {
			direction = firewall.In
		}
		bytes := sample[eventHeader:]
		if p, err := packet.Parse(bytes[:min(int(length), len(bytes))], direction); err == nil {
			e.dns(p)
		}
	}
}
