package netfilter_test

import (
	"fmt"
	"net/netip"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/netfilter"
)

func TestNothingSlipsThroughFullTables(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{Limits: netfilter.Limits{Entries: 16}})
	allowed, blocked := world.program("allowed"), world.program("blocked")
	g.decide(allowed, firewall.Allow)
	g.decide(blocked, firewall.Block)
	good, bad := world.talk(allowed), world.talk(blocked)
	// Every socket stays open: most are forgotten by the time of the last.
	for range 200 {
		must(t, good, "open udp4")
		must(t, good, "sendto 10.77.0.2:7000 hello")
		if r := must(t, good, "recv"); r.Text != "hello" {
			t.Fatalf("the echo is %q", r.Text)
		}
		must(t, bad, "open udp4")
		do(t, bad, "sendto 10.77.0.2:7001 hello")
	}
	for i := range 50 {
		unknown := world.talk(world.program(fmt.Sprint("unknown-", i)))
		must(t, unknown, "open udp4")
		must(t, unknown, "sendto 10.77.0.2:7001 hello")
	}
	if seen := world.see("end")["udp 7001"]; seen != 0 {
		t.Errorf("%d datagrams passed unasked or blocked", seen)
	}
}

func TestNothingSlipsThroughAFullQueue(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{Limits: netfilter.Limits{Packets: 8}})
	path := world.program("flood")
	program := world.talk(path)
	for range 500 {
		must(t, program, "open udp4")
		do(t, program, "sendto 10.77.0.2:7000 hello")
	}
	prompt := g.asked(path)
	if seen := world.see("held")["udp 7000"]; seen != 0 {
		t.Fatalf("%d datagrams passed unasked", seen)
	}
	g.remember(prompt, firewall.Allow)
	must(t, program, "open udp4")
	must(t, program, "sendto 10.77.0.2:7000 after")
	if r := must(t, program, "recv"); r.Text != "after" {
		t.Errorf("after the flood the echo is %q", r.Text)
	}
}

func TestNothingSlipsThroughWhenEventsAreLost(t *testing.T) {
	world := newWorld(t)
	world.guard(setup{Limits: netfilter.Limits{Events: 4096}})
	content := brief(t, netip.AddrPortFrom(netip.MustParseAddr(peerAddr), 7001))
	for i := range 300 {
		world.executable(fmt.Sprintf("brief-%03d", i), content)
	}
	world.mustRun(world.inside("sh", "-c", "for p in "+world.dir+"/brief-*; do $p; done"))
	if seen := world.see("end")["udp 7001"]; seen != 0 {
		t.Errorf("%d datagrams passed unasked", seen)
	}
}

func TestARawSocketIsHeldToo(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("raw")
	program := world.talk(path)
	must(t, program, "open raw4/253")
	must(t, program, "sendto 10.77.0.2:0 hello")
	prompt := g.asked(path)
	if seen := world.see("held")["253 0"]; seen != 0 {
		t.Fatalf("%d packets passed unasked", seen)
	}
	g.remember(prompt, firewall.Allow)
	world.peer.send(t, "await 253 0")
	before := world.peer.next(t)["253 0"]
	g.decide(path, firewall.Block)
	again := world.talk(path)
	if r := do(t, again, "open raw4/253"); r.Error == "" {
		do(t, again, "sendto 10.77.0.2:0 hello")
	}
	do(t, program, "sendto 10.77.0.2:0 hello")
	if after := world.see("after")["253 0"]; after != before {
		t.Errorf("%d packets of a blocked program passed", after-before)
	}
	g.unasked(t)
}
