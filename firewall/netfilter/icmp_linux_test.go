package netfilter_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// A raw socket sends types of ICMP as it likes: what a rule says of one must
// not let another pass, also when the kernel remembers it.
func TestARuleForATypeOfICMPIsForNoOther(t *testing.T) {
	const timestamp = "\x0d\x00\xf2\xfd\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	world := newWorld(t)
	path := world.program("icmp")
	echo := firewall.ICMPType(8) + 1
	g := world.guard(setup{Mode: firewall.ModeBlock, Rules: []firewall.Rule{
		{ID: "echo", Program: path, Verdict: firewall.Allow, Protocol: firewall.ICMP, ICMPType: echo},
	}})
	program := world.talk(path)
	must(t, program, "open raw4/1")
	count := func(v firewall.Verdict, kind uint16) (n int) {
		for _, e := range g.entries {
			if e.Program.Path == path && e.Verdict == v && e.ICMP == kind {
				n += e.Count
			}
		}
		return n
	}
	for n := range 2 {
		must(t, program, "sendto 10.77.0.2:0 "+echoRequest4)
		do(t, program, "sendto 10.77.0.2:0 "+timestamp)
		// A packet that comes while one like it is judged has no line of its own.
		g.await("a line about each", func() bool { return count(firewall.Allow, 9) >= 1 && count(firewall.Block, 14) > n })
	}
	if n := world.see("after")["icmp 0"]; n != 2 {
		t.Errorf("%d packets of ICMP arrived, want the 2 that may pass", n)
	}
	g.unasked(t)
}
