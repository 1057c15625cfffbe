package windivert

import (
	"errors"
	"sync/atomic"
	"time"
)

const (
	// maxPacket is the room that a read needs, in bytes: the largest IPv6 packet
	// with its header, 65,575 (WinDivert's WINDIVERT_MTU_MAX).
	maxPacket = 40 + 0xffff

	packetRing = 4 << 20   // bytes of packets that were read and not judged
	socketRing = 256 << 10 // events have no bytes, but a read wants room
	ringLength = 4096      // records
)

// record is a packet or an event as the driver gave it. Its bytes are the
// ring's: they are valid until the next record is taken.
type record struct {
	bytes   []byte
	address address
	read    time.Time
	end     uint64 // how far the ring is free once this is done with
}

// ring has what a handle delivered until it is judged. One goroutine fills it
// and one empties it; when it is full the driver's own queue fills.
type ring struct {
	memory  []byte
	records chan record   // closed when nothing more comes
	free    chan struct{} // has an item when space became free
	stopped chan struct{} // closed when nobody empties the ring any more
	done    atomic.Uint64 // bytes that were emptied, gaps included
	filled  uint64        // bytes that were filled, gaps included
	err     error         // why nothing more comes; read it once records is closed
}

func newRing(size int, stopped chan struct{}) *ring {
	return &ring{
		memory:  make([]byte, size),
		records: make(chan record, ringLength),
		free:    make(chan struct{}, 1),
		stopped: stopped,
	}
}

// fill reads from the handle until it is drained or lost. It copies only.
func (r *ring) fill(h handle) {
	defer close(r.records)
	for {
		room, ok := r.room()
		if !ok {
			return
		}
		n, a, err := h.receive(room)
		if err != nil {
			if !errors.Is(err, errDrained) {
				r.err = err
			}
			return
		}
		r.filled += uint64(n)
		select {
		case r.records <- record{bytes: room[:n], address: a, read: time.Now(), end: r.filled}:
		case <-r.stopped:
			return
		}
	}
}

// room waits until a packet fits in one piece.
func (r *ring) room() ([]byte, bool) {
	size := uint64(len(r.memory))
	if at := r.filled % size; size-at < maxPacket {
		r.filled += size - at
	}
	for r.filled+maxPacket-r.done.Load() > size {
		select {
		case <-r.free:
		case <-r.stopped:
			return nil, false
		}
	}
	at := r.filled % size
	return r.memory[at : at+maxPacket], true
}

// release gives a record's bytes back.
func (r *ring) release(rec *record) {
	r.done.Store(rec.end)
	select {
	case r.free <- struct{}{}:
	default:
	}
}
