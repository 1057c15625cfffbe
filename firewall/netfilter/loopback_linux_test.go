package netfilter_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// A packet from an address to itself is not loopback if it leaves by a cable:
// with IPV6_FREEBIND every program may bind every address.
func TestAProgramCannotPassAsLoopback(t *testing.T) {
	world := newWorld(t)
	world.mustRun(world.outside("ip", "route", "add", "default", "via", peerAddr6))
	g := world.guard(setup{})
	path := world.program("land")
	for _, test := range []struct{ kind, connect string }{
		{"udp6", "connect [fd77::2]:7001"},
		{"tcp6", "connect [fd77::2]:7001"},
		{"tcp6", "connect [fd77::2]:7000"}, // without a bound address: nothing was learned from the others
	} {
		program := world.talk(path)
		must(t, program, "open "+test.kind)
		must(t, program, "set nonblocking 1")
		if test.connect != "connect [fd77::2]:7000" {
			must(t, program, "set freebind6 1")
			must(t, program, "bind [fd77::2]:7002")
		}
		do(t, program, test.connect)
		do(t, program, "send x")
	}
	// The loopback address, by a device that is not the loopback.
	program := world.talk(path)
	must(t, program, "open udp6")
	must(t, program, "set device vc")
	must(t, program, "sendto [::1]:7001 x")
	if p := g.asked(path); p.Program.Path != path {
		t.Errorf("asked about %+v", p.Program)
	}
	g.await("both questions and the refusal", func() bool {
		refused := 0
		for _, e := range g.entries {
			if e.Remote.Addr().IsLoopback() && e.Reason == firewall.NotParsed && e.Program.Path == path {
				refused++
			}
		}
		return len(g.prompts) == 1 && g.prompts[0].Others == 2 && refused == 1
	})
	seen := world.see("held")
	if seen["tcp 7000"]+seen["tcp 7001"]+seen["udp 7001"] != 0 {
		t.Errorf("packets passed unasked: %v", seen)
	}
}

// What was allowed because it stays on this computer is not allowed by cable.
func TestAPermissionForLoopbackDoesNotLeaveTheComputer(t *testing.T) {
	world := newWorld(t)
	world.mustRun(world.outside("ip", "route", "add", "default", "via", peerAddr))
	world.mustRun(world.outside("ip", "route", "add", "default", "via", peerAddr6))
	// Since a rule blocks somebody everywhere, loopback is judged too.
	world.guard(setup{Rules: []firewall.Rule{{ID: "bad", Program: "/opt/bad", Verdict: firewall.Block}}})
	path := world.program("leaves")
	for _, way := range []struct{ kind, to string }{{"udp6", "[::1]:7001"}, {"udp4", "127.0.0.1:7001"}, {"udp4", clientAddr + ":7001"}} {
		program := world.talk(path)
		for range 3 { // the kernel learns it
			must(t, program, "open "+way.kind)
			do(t, program, "connect "+way.to)
			do(t, program, "send stays")
			do(t, program, "recv") // a refusal: it came to an end here
		}
		must(t, program, "open "+way.kind)
		must(t, program, "set device vc")
		do(t, program, "sendto "+way.to+" leaves")
	}
	if n := world.see("end")["udp 7001"]; n != 0 {
		t.Errorf("%d datagrams left by the cable", n)
	}
}

// What stays on this computer is not asked about, by whichever address.
func TestEveryFormOfLoopbackStaysHereAndPasses(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	server, client := world.program("server"), world.program("client")
	listening := world.start(world.talkInside, server, "open udp6", "bind [::]:7190")
	for _, to := range []struct{ kind, address string }{
		{"udp4", "127.0.0.1"}, {"udp4", "127.1.2.3"}, {"udp4", "0.0.0.0"}, {"udp4", clientAddr},
		{"udp6", "[::1]"}, {"udp6", "[::]"}, {"udp6", "[" + clientAddr6 + "]"}, {"udp6", "[::ffff:127.0.0.1]"},
	} {
		world.start(world.talkInside, client, "open "+to.kind, "sendto "+to.address+":7190 "+to.address)
		if r := must(t, listening, "recv"); r.Text != to.address {
			t.Errorf("from %s comes %q", to.address, r.Text)
		}
		world.start(world.talkInside, client, "open "+to.kind, "connect "+to.address+":7190", "send x")
		must(t, listening, "recv")
	}
	g.unasked(t)
	if seen := world.see("end")["udp 7190"]; seen != 0 {
		t.Errorf("%d datagrams left", seen)
	}
}
