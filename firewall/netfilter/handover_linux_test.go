package netfilter_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// Between two engines, as at an upgrade, nothing passes unjudged, and what is
// held then is asked about by the second.
func TestRestartingLeavesNoGap(t *testing.T) {
	world := newWorld(t)
	before := world.traces()
	g := world.guard(setup{})
	good, bad, unknown := world.program("good"), world.program("bad"), world.program("unknown")
	g.decide(good, firewall.Allow)
	g.decide(bad, firewall.Block)
	world.tries(good)
	world.tries(bad)
	held := world.talk(unknown)
	must(t, held, "open tcp4")
	held.send(t, "connect 10.77.0.2:7000")
	g.asked(unknown)

	g.handOver()
	if got := world.tries(good); got != "" {
		t.Errorf("between the engines, the allowed program says %q", got)
	}
	if got := world.tries(bad); got != "EPERM" {
		t.Errorf("between the engines, the blocked program says %q, want EPERM", got)
	}
	reached := world.see("between")["udp 7000"]
	datagrams := world.talk(unknown)
	must(t, datagrams, "open udp4")
	do(t, datagrams, "sendto 10.77.0.2:7000 hello")
	if world.see("after")["udp 7000"] != reached {
		t.Error("between the engines, an unknown program reached the peer")
	}
	datagrams.cmd.Process.Kill()
	datagrams.wait(t)

	g = world.guard(g.setup)
	g.once(g.asked(unknown), firewall.Allow)
	if r := held.next(t); r.Error != "" {
		t.Errorf("held by the first engine and allowed by the second, the program says %q", r.Error)
	}
	g.stop()
	if after := world.traces(); after != before {
		t.Errorf("after the stop there is still:\n%s", after)
	}
}
