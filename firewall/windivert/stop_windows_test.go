package windivert

import (
	"context"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// Each packet leaves by the driver once and unchanged, those too that the
// driver still had: no program has to send again.
func TestWhatIsHeldWhenTheFirewallIsSwitchedOffLeavesByTheDriver(t *testing.T) {
	const held, late = 20, 200
	s, w, sink := newStandIn(t), newWorld(ipv4World), &collector{}
	w.divert = func(b []byte, a address) { s.inject(diverted{a, b}) }
	b := newBackend(Config{}, winDivert{}, w)
	if err := b.Apply(firewall.Policy{FailOpen: true}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.Run(ctx, sink, func() { close(ready) }) }()
	defer stop()
	within(t, "the backend is ready", ready)

	pid, want := w.start("a"), map[string]bool{}
	knock := func(times int) {
		for range times {
			c := w.socket(pid, firewall.TCP, w.destination(0))
			c.tell()
			syn := segment{flow: c.flow, flags: packet.SYN, sequence: c.sequence}.bytes()
			want[string(syn)] = true
			w.leave(syn)
		}
	}
	knock(held)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(soon); len(sink.take()) < held; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d connections are held, want %d", len(sink.take()), held)
		}
	}
	if gone := s.drain(); len(gone) > 0 {
		t.Fatalf("%d packets left while they were held", len(gone))
	}
	knock(late)
	stop()
	if err := within(t, "the backend ends", ended); err != nil {
		t.Fatal(err)
	}
	gone := s.drain()
	if len(gone) != held+late {
		t.Errorf("%d packets left, want %d", len(gone), held+late)
	}
	for _, r := range gone {
		if !want[string(r.packet)] || !r.address.outbound() {
			t.Fatalf("left twice, or changed: %v", r)
		}
		delete(want, string(r.packet))
	}
	if !sink.handed {
		t.Error("the engine was not told")
	}
}
