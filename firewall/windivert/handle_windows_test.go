package windivert

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestAHeldPacketIsSentUnchanged(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	want := numbered(1)
	if s.inject(want) != 1 {
		t.Fatal("the handle did not meet the packet")
	}
	held, err := take(h)
	if err != nil {
		t.Fatal(err)
	}
	same(t, held, want)
	// Longer than the driver keeps a packet by default.
	<-time.After(2500 * time.Millisecond)
	if gone := s.drain(); len(gone) > 0 {
		t.Fatalf("it left while it was held: %v", gone)
	}
	if err := h.send(held.packet, held.address); err != nil {
		t.Fatal(err)
	}
	gone := s.drain()
	if len(gone) != 1 {
		t.Fatalf("%d packets left, want 1", len(gone))
	}
	same(t, gone[0], want)
}

func TestTheQueueIsAsLongAsTheDriverOffers(t *testing.T) {
	s := newStandIn(t)
	s.open(layerNetwork, 100, 0)
	open := s.handles()
	if len(open) != 1 {
		t.Fatalf("open: %+v", open)
	}
	if h := open[0]; h.QueueLength != 16384 || h.QueueTime != 16000 || h.QueueSize != 32<<20 || h.Priority != 100 {
		t.Errorf("the handle is %+v", h)
	}
}

func TestAfterShutdownWhatWaitsIsStillReceived(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	const waiting = 40
	for n := range waiting {
		s.inject(numbered(n))
	}
	if err := h.shutdown(); err != nil {
		t.Fatal(err)
	}
	if s.inject(numbered(waiting)) != 0 {
		t.Error("the handle met a packet after its shutdown")
	}
	for n := range waiting {
		if err := pass(h, n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := take(h); err != errDrained {
		t.Errorf("in the end: %v", err)
	}
	if gone := s.drain(); len(gone) != waiting+1 {
		t.Errorf("%d packets left, want %d", len(gone), waiting+1)
	}
}

func TestShutdownEndsAReceiveThatWaits(t *testing.T) {
	endsAReceive(t, handle.shutdown)
}

func TestCloseEndsAReceiveThatWaits(t *testing.T) {
	endsAReceive(t, handle.close)
}

func endsAReceive(t *testing.T, end func(handle) error) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	received := s.receiving(h)
	if err := end(h); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "receive ends", received); err != errDrained {
		t.Errorf("receive: %v", err)
	}
}

// receiving has a receive wait, and tells how it ends.
func (s *standIn) receiving(h handle) <-chan error {
	s.Helper()
	received := make(chan error, 1)
	go func() {
		_, err := take(h)
		received <- err
	}()
	s.await("a receive waits", reading)
	return received
}

func TestAClosedHandleIsOfNoUse(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	for range 2 {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := take(h); err != errDrained {
		t.Errorf("receive: %v", err)
	}
	if err := h.send(numbered(0).packet, address{}); !errors.Is(err, errClosed) {
		t.Errorf("send: %v", err)
	}
	if err := h.shutdown(); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestALostDriverIsNoticed(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	received := s.receiving(h)
	s.lose()
	if err := within(t, "receive ends", received); err == nil || err == errDrained || !strings.Contains(err.Error(), "the driver is lost") {
		t.Errorf("receive: %v", err)
	}
	if err := h.send(numbered(0).packet, address{}); err == nil {
		t.Error("send: no error")
	}
	if err := h.close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// passes receives a packet and sends it on, and checks that it is the same all
// the way.
func (s *standIn) passes(h handle, want diverted) {
	s.Helper()
	s.inject(want)
	got, err := take(h)
	if err != nil {
		s.Fatal(err)
	}
	same(s.T, got, want)
	if err := h.send(got.packet, got.address); err != nil {
		s.Fatal(err)
	}
	gone := s.drain()
	if len(gone) != 1 {
		s.Fatalf("%d packets left, want 1", len(gone))
	}
	same(s.T, gone[0], want)
}

// Wine has no room for the very largest.
func TestIPv6AndALargePacketPass(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	packet := make([]byte, 40+0xe000)
	packet[0], packet[4], packet[5], packet[6] = 0x60, 0xe0, 0x00, 17
	want := diverted{packet: packet}
	want.address[10] = 0x02 | 0x10 // outbound, IPv6
	s.passes(h, want)
	for _, impossible := range [][]byte{nil, make([]byte, maxPacket+1)} {
		if h.send(impossible, want.address) == nil {
			t.Errorf("%d bytes were sent", len(impossible))
		}
	}
}

func TestASocketEventHasNoBytes(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerSocket, 0, flagSniff|flagReceiveOnly)
	for n := range 5 {
		r := diverted{}
		r.address[8], r.address[9] = byte(layerSocket), 4 // CONNECT
		binary.LittleEndian.PutUint32(r.address[32:], uint32(1000+n))
		s.inject(r)
		got, err := take(h)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, r)
	}
}

func TestBytesOfAnAddressArePassedAsTheyAre(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 50 {
		r := numbered(n)
		for i := range r.address {
			r.address[i] = byte(random.Uint32())
		}
		r.address[8] = byte(layerNetwork)
		s.passes(h, r)
	}
}

func TestADroppingHandleLetsNothingLeave(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	s.open(layerNetwork, 0, flagDrop|flagReceiveOnly)
	s.inject(numbered(0))
	if err := pass(h, 0); err != nil {
		t.Fatal(err)
	}
	if gone := s.drain(); len(gone) > 0 {
		t.Errorf("left: %v", gone)
	}
}

func TestAPacketIsSentWithoutAllocating(t *testing.T) {
	s := newStandIn(t)
	h := s.open(layerNetwork, 100, 0)
	r := numbered(0)
	if n := testing.AllocsPerRun(20, func() { h.send(r.packet, r.address) }); n > 0 {
		t.Errorf("send allocates %v times", n)
	}
	for range 21 {
		s.inject(r)
	}
	buffer := make([]byte, maxPacket)
	if n := testing.AllocsPerRun(20, func() { h.receive(buffer) }); n > 0 {
		t.Errorf("receive allocates %v times", n)
	}
}
