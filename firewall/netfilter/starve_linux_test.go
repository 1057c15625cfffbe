package netfilter_test

import (
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// What one program sends while it waits must leave room for the others.
func TestOneProgramCannotKeepOthersFromBeingAsked(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	greedy := world.program("greedy")
	program := world.talk(greedy)
	for range 80 {
		must(t, program, "open udp4")
		for range 70 {
			must(t, program, "sendto 10.77.0.2:7001 x")
		}
	}
	g.asked(greedy)
	modest := world.program("modest")
	other := world.talk(modest)
	must(t, other, "open tcp4")
	began := time.Now()
	other.send(t, "connect 10.77.0.2:7000")
	p := g.asked(modest)
	if took := time.Since(began); took > time.Second {
		t.Errorf("asked only %v after the attempt: its first packet was dropped", took)
	}
	g.remember(p, firewall.Allow)
	if r := other.next(t); r.Error != "" {
		t.Errorf("allowed, but %s", r.Error)
	}
	if e := g.tell(request{Do: "stats"}); e.Stats.DroppedEvents != 0 {
		t.Errorf("%d packets found the queue full", e.Stats.DroppedEvents)
	}
}
