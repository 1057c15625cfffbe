package windivert

import (
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall/firewalltest"
)

// The backend as it is on Windows, except that the computer around the driver
// is the one in memory.
func TestConformanceWithADriver(t *testing.T) {
	for name, local := range map[string]string{"IPv4": ipv4World, "IPv6": ipv6World} {
		t.Run(name, func(t *testing.T) {
			firewalltest.Conformance(t, func(t *testing.T) firewalltest.Driver {
				w := newWorld(local)
				newStandIn(t).carry(w)
				return &conformance{world: w, backend: newBackend(Config{}, winDivert{}, w)}
			})
		})
	}
}

// carry takes what the world's programs send to the driver, and what leaves the
// driver to the world, until the test ends.
func (s *standIn) carry(w *world) {
	out := s.again()
	w.divert = func(b []byte, a address) { s.inject(diverted{a, b}) }
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		// Only the driver can tell when something has left.
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for _, r := range out.drain() {
				w.arrive(r.packet, r.address)
			}
		}
	}()
	s.Cleanup(func() {
		close(stop)
		<-stopped
	})
}
