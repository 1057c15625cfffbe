package windivert

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"testing"
)

// With divert-go's own receive, packets lose their addresses here.
func TestEachPacketPassesOnceWhileMemoryIsCollected(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	all, batch := 10_000, 10
	if testing.Short() {
		all = 1000
	}
	for n := 0; n < all; n += batch {
		passed := make(chan error, batch)
		go func() {
			for i := range batch {
				deep(60)
				passed <- pass(h, n+i)
			}
		}()
		runtime.GC() // while the first of them is awaited
		var packets []diverted
		for i := range batch {
			packets = append(packets, numbered(n+i))
		}
		if met := s.inject(packets...); met != batch {
			t.Fatalf("the handle met %d packets of %d", met, batch)
		}
		for range batch {
			if err := within(t, "a packet passes", passed); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := s.drain()
	if len(gone) != all {
		t.Fatalf("%d packets left, want %d", len(gone), all)
	}
	for n, r := range gone {
		same(t, r, numbered(n))
	}
}

// deep grows the stack, which the collector then shrinks by moving it.
//
//go:noinline
func deep(n int) byte {
	var frame [1024]byte
	if n > 0 {
		frame[n] = deep(n - 1)
	}
	return frame[n/2]
}

// pass receives the nth packet and sends it.
func pass(h handle, n int) error {
	r, err := take(h)
	if err != nil {
		return err
	}
	if want := numbered(n); r.String() != want.String() {
		return errors.New("received " + r.String() + ", want " + want.String())
	}
	return h.send(r.packet, r.address)
}

func TestManySendAtOnce(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	const senders, each = 8, 25
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for n := i * each; n < (i+1)*each; n++ {
				r := numbered(n)
				if err := h.send(r.packet, r.address); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	left := map[uint64]bool{}
	for _, r := range s.drain() {
		n := binary.LittleEndian.Uint64(r.address[:])
		same(t, r, numbered(int(n)))
		left[n] = true
	}
	if len(left) != senders*each {
		t.Errorf("%d packets left, want %d", len(left), senders*each)
	}
}
