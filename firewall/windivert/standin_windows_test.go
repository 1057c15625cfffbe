package windivert

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
)

// soon is how long something may take before a test fails.
const soon = 10 * time.Second

// standIn is the stand-in driver, which has packets and events from the test.
type standIn struct {
	*testing.T
	device *windiverttest.StandIn
}

// diverted is a packet or an event with its address.
type diverted struct {
	address address
	packet  []byte
}

// openHandle is what the stand-in knows of a handle.
type openHandle = windiverttest.Handle

// newStandIn starts the driver, as the backend does, and expects the stand-in.
func newStandIn(t *testing.T) *standIn {
	t.Helper()
	if _, err := beside(driverFile); err != nil {
		left(t)
	}
	if err := loadDriver(); err != nil {
		t.Fatal(err)
	}
	if err := startDriver(); err != nil {
		t.Fatal(err)
	}
	s := (&standIn{T: t}).again()
	t.Cleanup(func() {
		if open := s.handles(); len(open) > 0 {
			t.Errorf("handles are left open: %+v", open)
		}
		s.drain()
	})
	return s
}

// again opens the stand-in once more: one request at a time has each.
func (s *standIn) again() *standIn {
	s.Helper()
	device, err := windiverttest.Open()
	if err != nil {
		left(s.T)
	}
	s.Cleanup(func() { device.Close() })
	return &standIn{s.T, device}
}

// left leaves the test out, for want of the stand-in.
func left(t *testing.T) {
	t.Helper()
	const why = "there is no stand-in for the driver or the filtering platform, which scripts/wine-exec brings"
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// open opens a handle as the backend does.
func (s *standIn) open(l layer, priority int16, flags uint64) handle {
	s.Helper()
	h, err := winDivert{}.open("true", l, priority, flags)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := h.close(); err != nil {
			s.Error(err)
		}
	})
	return h
}

// inject has the packets and events arrive; it tells how many some handle met.
func (s *standIn) inject(packets ...diverted) int {
	s.Helper()
	records := make([]windiverttest.Record, len(packets))
	for i, p := range packets {
		records[i] = windiverttest.Record{Address: windiverttest.Address(p.address), Packet: p.packet}
	}
	met, err := s.device.Inject(records...)
	if err != nil {
		s.Fatal(err)
	}
	return met
}

// drain returns the packets that have left since the last time.
func (s *standIn) drain() (packets []diverted) {
	s.Helper()
	records, err := s.device.Drain()
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range records {
		packets = append(packets, diverted{address(r.Address), r.Packet})
	}
	return packets
}

func (s *standIn) handles() []openHandle {
	s.Helper()
	open, err := s.device.Handles()
	if err != nil {
		s.Fatal(err)
	}
	return open
}

// lose has every open handle fail from now on.
func (s *standIn) lose() {
	s.Helper()
	if err := s.device.Lose(); err != nil {
		s.Fatal(err)
	}
}

// await waits until the stand-in's handles are as they should be: only it
// knows when a request has arrived or a process has ended.
func (s *standIn) await(what string, condition func([]openHandle) bool) {
	s.Helper()
	deadline := time.Now().Add(soon)
	for open := s.handles(); !condition(open); open = s.handles() {
		if time.Now().After(deadline) {
			s.Fatalf("%s: not after %s: %+v", what, soon, open)
		}
	}
}

// reading tells whether all handles have a receive that waits.
func reading(open []openHandle) bool {
	for _, h := range open {
		if h.WaitingRequests == 0 {
			return false
		}
	}
	return len(open) > 0
}

// numbered is the nth SYN of a test, with an address of its own.
func numbered(n int) diverted {
	packet := []byte("\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06\x00\x00\x0a\x00\x00\x02\x5d\xb8\xd8\x22" +
		"\xc0\x00\x01\xbb\x00\x00\x03\xe8\x00\x00\x00\x00\x50\x02\x20\x00\x00\x00\x00\x00")
	binary.BigEndian.PutUint32(packet[24:], uint32(n)) // the sequence number
	var a address
	binary.LittleEndian.PutUint64(a[0:], uint64(n)) // the time
	a[10] = 0x02                                    // outbound
	a[16] = 7                                       // the interface
	return diverted{a, packet}
}

// same fails the test unless both are the same diverted.
func same(t *testing.T, got, want diverted) {
	t.Helper()
	if got.address != want.address || !bytes.Equal(got.packet, want.packet) {
		t.Fatalf("got\n%x %x, want\n%x %x", got.address, got.packet, want.address, want.packet)
	}
}

// take receives one diverted.
func take(h handle) (diverted, error) {
	buffer := make([]byte, maxPacket)
	n, a, err := h.receive(buffer)
	return diverted{a, buffer[:n]}, err
}

// within waits for a channel.
func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		t.Fatalf("%s: not after %s", what, soon)
	}
	return v
}

func (r diverted) String() string { return fmt.Sprintf("%x %x", r.address, r.packet) }
