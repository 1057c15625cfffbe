package netfilter_test

import (
	"testing"

	"sallyport.dev/sallyport/firewall"
)

func TestEachModeDoesWhatItSays(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, bad := world.program("good"), world.program("bad")
	g.decide(good, firewall.Allow)
	g.decide(bad, firewall.Block)
	for _, test := range []struct {
		mode               firewall.Mode
		good, bad, unknown string
	}{
		{firewall.ModeAllow, "", "blocked", ""},
		{firewall.ModeBlock, "", "blocked", "blocked"},
		{firewall.ModeOff, "", "", ""},
		{firewall.ModeLock, "blocked", "blocked", "blocked"},
		{firewall.ModeAllow, "", "blocked", ""},
	} {
		g.tell(request{Do: "mode", Mode: test.mode})
		unknown := world.program("unknown-" + test.mode.String())
		for _, try := range []struct{ path, want string }{{good, test.good}, {bad, test.bad}, {unknown, test.unknown}} {
			got := world.tries(try.path)
			if got == "EPERM" && try.want == "blocked" || got == "ECONNABORTED" && try.want == "blocked" {
				got = "blocked"
			}
			if got != try.want {
				t.Errorf("mode %v: %s says %q, want %q", test.mode, try.path, got, try.want)
			}
		}
		g.unasked(t)
	}
}

func TestOtherNetworkNamespacesAreCounted(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("contained")
	c := world.inside("unshare", "-n", "sh", "-c", "ip link set lo up && exec "+path)
	program := startChild[result](t, c, nil)
	must(t, program, "open tcp4")
	if r := do(t, program, "connect 127.0.0.1:9"); r.Error != "ECONNREFUSED" {
		t.Errorf("in another network namespace: %q, want ECONNREFUSED", r.Error)
	}
	if stats := g.tell(request{Do: "stats"}).Stats; stats.OtherNamespaces == 0 {
		t.Error("no socket of another network namespace was counted")
	}
	g.unasked(t)
}

func TestABlockedProgramIsBlockedOnLoopbackToo(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	blocked, other := world.program("blocked"), world.program("other")
	g.decide(blocked, firewall.Block)
	for _, try := range []struct{ path, want string }{{blocked, "EPERM"}, {other, "ECONNREFUSED"}, {blocked, "EPERM"}, {other, "ECONNREFUSED"}} {
		program := world.talk(try.path)
		must(t, program, "open tcp4")
		if r := do(t, program, "connect 127.0.0.1:9"); r.Error != try.want && !(try.want == "EPERM" && r.Error == "ECONNABORTED") {
			t.Errorf("%s on loopback: %q, want %s", try.path, r.Error, try.want)
		}
	}
	g.unasked(t)
}
