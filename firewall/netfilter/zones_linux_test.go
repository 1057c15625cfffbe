package netfilter_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// secondNetwork gives the client and the peer another interface each.
func (w *world) secondNetwork() {
	w.t.Helper()
	for _, line := range []string{
		fmt.Sprintf("link add vd type veth peer name vt netns %d", w.peer.cmd.Process.Pid),
		"addr add 10.78.0.1/24 dev vd", "link set vd up",
	} {
		w.mustRun(w.outside("ip", strings.Fields(line)...))
	}
	for _, line := range []string{"addr add 10.78.0.2/24 dev vt", "link set vt up"} {
		peer := []string{"-t", strconv.Itoa(w.peer.cmd.Process.Pid), "-n", "--", "ip"}
		w.mustRun(exec.Command("nsenter", append(peer, strings.Fields(line)...)...))
	}
}

func zones(list ...string) map[netip.Prefix]firewall.Zone {
	of := make(map[netip.Prefix]firewall.Zone)
	for _, line := range list {
		prefix, name, _ := strings.Cut(line, " ")
		var z firewall.Zone
		if err := z.UnmarshalText([]byte(name)); err != nil {
			panic(err)
		}
		of[netip.MustParsePrefix(prefix)] = z
	}
	return of
}

// tried is what a new process of the program is told when it connects.
func (w *world) tried(path, to string) string {
	w.t.Helper()
	program := w.talk(path)
	must(w.t, program, "open tcp4")
	r := do(w.t, program, "connect "+to)
	w.end(program)
	return r.Error
}

const near, far = "10.77.0.2:7000", "10.78.0.2:7000"

func TestRulesForZones(t *testing.T) {
	world := newWorld(t)
	world.secondNetwork()
	client, server := world.program("client"), world.program("server")
	rules := []firewall.Rule{
		{ID: "near", Program: client, Zone: firewall.TrustedZone, Verdict: firewall.Allow},
		{ID: "far", Program: client, Zone: firewall.InternetZone, Verdict: firewall.Block},
		{ID: "in-near", Program: server, Direction: firewall.In, Zone: firewall.TrustedZone, Verdict: firewall.Allow},
		{ID: "in-far", Program: server, Direction: firewall.In, Zone: firewall.InternetZone, Verdict: firewall.Block},
	}
	g := world.guard(setup{Rules: rules, Zones: zones("10.77.0.0/24 trusted")})
	world.start(world.talkInside, server, "open tcp4", "bind 0.0.0.0:7400", "listen")
	calls := func(when, from string, verdict firewall.Verdict) {
		t.Helper()
		g.mu.Lock()
		before := g.calls(server, verdict)
		g.mu.Unlock()
		caller := world.caller("open tcp4")
		caller.send(t, "connect "+from)
		g.logs(server, verdict, before+1)
		if verdict == firewall.Allow {
			if r := caller.next(t); r.Error != "" {
				t.Errorf("%s: a call to %s: %s", when, from, r.Error)
			}
		} else if !caller.silent() {
			t.Errorf("%s: a call to %s: %+v", when, from, caller.next(t))
		}
	}
	expect := func(when, open, shut string) {
		t.Helper()
		for range 3 {
			if got := world.tried(client, open); got != "" {
				t.Errorf("%s: %s says %q", when, open, got)
			}
			if got := world.tried(client, shut); got != "EPERM" && got != "ECONNABORTED" {
				t.Errorf("%s: %s says %q", when, shut, got)
			}
		}
		g.unasked(t)
	}
	expect("at first", near, far)
	calls("at first", "10.77.0.1:7400", firewall.Allow)
	calls("at first", "10.78.0.1:7400", firewall.Block)

	// Decided in the kernel, also for an address that is met for the first time.
	before := world.queued()
	for port := range 20 {
		if got := world.tried(client, fmt.Sprint("10.77.0.2:", 7401+port)); got != "ECONNREFUSED" {
			t.Errorf("port %d says %q", port, got)
		}
		if got := world.tried(client, fmt.Sprint("10.78.0.", 3+port, ":7000")); got != "EPERM" {
			t.Errorf("address %d says %q", 3+port, got)
		}
	}
	if trips := world.queued() - before; trips != 0 {
		t.Errorf("%d packets took the trip to the engine", trips)
	}

	session := world.talk(client)
	must(t, session, "open tcp4")
	must(t, session, "connect "+near)
	g.tell(request{Do: "zones", Zones: zones("10.78.0.0/24 trusted", "10.77.0.0/24 internet")})
	if r := do(t, session, "recv"); r.Error != "ECONNABORTED" {
		t.Errorf("a connection to a network that is trusted no more: %+v", r)
	}
	expect("the other way round", far, near)
	calls("the other way round", "10.78.0.1:7400", firewall.Allow)
	calls("the other way round", "10.77.0.1:7400", firewall.Block)
	g.setup.Zones = zones("10.78.0.0/24 trusted")
	g.stop()
	g = world.guard(g.setup)
	expect("after a restart", far, near)
}

func TestBlockedAddresses(t *testing.T) {
	world := newWorld(t)
	world.secondNetwork()
	path := world.program("any")
	both := []firewall.Rule{{ID: "out", Program: path, Verdict: firewall.Allow}, server("in", path, firewall.Allow)}
	g := world.guard(setup{Rules: both})
	world.start(world.talkInside, path, "open tcp4", "bind 0.0.0.0:7410", "listen")
	datagrams := world.start(world.talkInside, path, "open udp4", "bind 0.0.0.0:7410", "sendto 10.78.0.2:7000 a", "recv", "sendto 10.77.0.2:7000 a", "recv")
	session := world.start(world.talkInside, path, "open tcp4", "connect "+far)
	world.caller("open tcp4", "connect 10.78.0.1:7410")
	g.tell(request{Do: "zones", Zones: zones("10.78.0.0/24 blocked")})
	if r := do(t, session, "recv"); r.Error != "ECONNABORTED" {
		t.Errorf("an open connection to an address that is blocked: %+v", r)
	}
	for range 3 {
		if got := world.tried(path, far); got != "EPERM" && got != "ECONNABORTED" {
			t.Errorf("a blocked address says %q", got)
		}
		if got := world.tried(path, near); got != "" {
			t.Errorf("another address says %q", got)
		}
	}
	before := world.see("blocked")["udp 7000"]
	do(t, datagrams, "sendto 10.78.0.2:7000 x")
	must(t, datagrams, "sendto 10.77.0.2:7000 y")
	if r := must(t, datagrams, "recv"); r.Text != "y" {
		t.Errorf("the echo is %q", r.Text)
	}
	if after := world.see("after")["udp 7000"]; after != before+1 {
		t.Errorf("%d datagrams arrived, want 1", after-before)
	}
	caller := world.caller("open tcp4")
	caller.send(t, "connect 10.78.0.1:7410")
	g.logs(path, firewall.Block, 1)
	if !caller.silent() {
		t.Errorf("a blocked address was let in: %+v", caller.next(t))
	}
	world.caller("open tcp4", "connect 10.77.0.1:7410")
	g.await("the reason in the log", func() bool {
		for _, e := range g.entries {
			if e.Direction == firewall.In && e.Reason == firewall.ByZone {
				return true
			}
		}
		return false
	})
	g.unasked(t)
	g.tell(request{Do: "zones", Zones: zones("10.79.0.0/24 blocked")})
	if got := world.tried(path, far); got != "" {
		t.Errorf("blocked no more, and it says %q", got)
	}
	g.unasked(t)
}
