package netfilter_test

import (
	"fmt"
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
			do(t, program, "sendto 10.77.0.2:7001 x")
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

// Nor may what it sends without a pause.
func TestAFloodDoesNotKeepOthersFromBeingAsked(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	greedy := world.program("greedy")
	program := world.talk(greedy)
	port := 10000
	flood := func() {
		for range 100 {
			must(t, program, "open udp4")
			command := "mmsg"
			for range 100 {
				port++
				command += fmt.Sprint(" 10.77.0.2:", port)
			}
			do(t, program, command)
		}
	}
	best := time.Hour
	for attempt := 0; attempt < attempts && best > time.Second; attempt++ {
		port = 10000
		flood()
		modest := world.program(fmt.Sprint("modest-", attempt))
		other := world.talk(modest)
		must(t, other, "open tcp4")
		began := time.Now()
		other.send(t, "connect 10.77.0.2:7000")
		flood()
		p := g.asked(modest)
		best = min(best, p.Asked.Sub(began))
		g.remember(p, firewall.Allow)
		if r := other.next(t); r.Error != "" {
			t.Errorf("allowed, but %s", r.Error)
		}
	}
	if best > time.Second {
		t.Errorf("asked only %v after the attempt: its first packet was dropped", best)
	}
	t.Logf("asked %v after the attempt", best)
}

// Every datagram of a flood is a line of the log, or counted as lost.
func TestTheLogCountsAFlood(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	greedy := world.program("greedy")
	program := world.talk(greedy)
	sent := 0
	for socket := range 40 {
		must(t, program, "open udp4")
		for i := range 100 {
			switch r := do(t, program, fmt.Sprint("sendto 10.77.0.2:", 10000+100*socket+i, " x")); r.Error {
			case "", "EPERM":
				sent++
			case "ECONNABORTED": // the refusal of one before; this one was not tried
			default:
				t.Fatalf("%s: %s", r.Command, r.Error)
			}
		}
	}
	g.remember(g.asked(greedy), firewall.Block)
	var lines, lost int
	await(t, "every datagram in the log, or counted as lost", func() bool {
		lost = int(g.tell(request{Do: "stats"}).Stats.DroppedEvents)
		lines = g.tally(greedy)[firewall.Block]
		return lines+lost >= sent
	})
	if lines+lost != sent {
		t.Errorf("of %d datagrams the log has %d, and %d are lost", sent, lines, lost)
	}
	t.Logf("%d of %d datagrams are in the log", lines, sent)
}
