package netfilter_test

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// resolver has the client's programs ask the peer, which answers every name
// with its address. It is asked at its other address, which has no name.
func (w *world) resolver() {
	w.t.Helper()
	conf := w.executable("resolv.conf", []byte("nameserver "+peerAddr6+"\n"))
	w.mustRun(w.outside("mount", "--bind", conf, "/etc/resolv.conf"))
}

// connects has a running program connect n times.
func connects(t *testing.T, program *talker, n int) {
	t.Helper()
	for range n {
		must(t, program, "open tcp4")
		must(t, program, "connect 10.77.0.2:7000")
		must(t, program, "close")
	}
}

func TestWhatRulesDecideDoesNotLeaveTheKernel(t *testing.T) {
	const connections = 25
	world := newWorld(t)
	world.resolver()
	g := world.guard(setup{})
	for i, test := range []struct {
		name string
		rule firewall.Rule
		trip uint64 // packets that may go to the engine
	}{
		{"always", firewall.Rule{}, 0},
		{"for an hour", firewall.Rule{Until: firewall.Expiry{At: time.Now().Add(time.Hour)}}, 0},
		{"to a port", firewall.Rule{Port: 7000}, 1},
		{"to a network, for an hour", firewall.Rule{Remote: netip.MustParsePrefix("10.77.0.0/16"), Until: firewall.Expiry{At: time.Now().Add(time.Hour)}}, 1},
		{"to a host", firewall.Rule{Host: "www.example.test"}, 1},
		{"until the program exits", firewall.Rule{Until: firewall.Expiry{Exit: true}}, 1},
		{"until the program exits, to a port", firewall.Rule{Port: 7000, Until: firewall.Expiry{Exit: true}}, 1},
		{"until the program exits, to a host", firewall.Rule{Host: "www.example.test", Until: firewall.Expiry{Exit: true}}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			world := world.at(t, g)
			path := world.program("bound-" + string(rune('a'+i)))
			program := world.talk(path)
			rule := test.rule
			rule.ID, rule.Program, rule.Verdict = firewall.RuleID(path), path, firewall.Allow
			if rule.Until.Exit {
				must(t, program, "open tcp4")
				program.send(t, "connect 10.77.0.2:7000")
				p := g.asked(path)
				g.once(p, firewall.Block)
				program.next(t)
				rule.Until.PID, rule.Until.Started = p.First.PID, p.First.Started
			}
			g.setup.Rules = append(g.setup.Rules, rule)
			g.tell(request{Do: "rules", Rules: g.setup.Rules})
			if rule.Host != "" {
				world.mustRun(world.inside("getent", "ahostsv4", rule.Host))
			}
			before := world.queued()
			connects(t, program, connections)
			if trips := world.queued() - before; trips > test.trip {
				t.Errorf("%d connections made %d trips to the engine, want at most %d", connections, trips, test.trip)
			}
			// A change of other rules costs no trip.
			before = world.queued()
			g.decide("/usr/bin/"+rule.Note+"other", firewall.Allow)
			connects(t, program, connections)
			if trips := world.queued() - before; trips > 0 {
				t.Errorf("after a change of other rules %d trips to the engine, want none", trips)
			}
			g.unasked(t)
			if rule.Until.Exit {
				other := world.talk(path)
				must(t, other, "open tcp4")
				other.send(t, "connect 10.77.0.2:7000")
				g.once(g.asked(path), firewall.Block)
				if r := other.next(t); r.Error == "" {
					t.Error("another process of the program connected")
				}
				g.await("the question to be closed", func() bool { return len(g.prompts) == 0 })
			}
		})
	}
}

func TestATimedRuleEndsOnTimeWithoutAnEngine(t *testing.T) {
	world := newWorld(t)
	good, bad := world.program("good"), world.program("bad")
	end := time.Now().Add(4 * time.Second)
	until := firewall.Expiry{At: end}
	g := world.guard(setup{Rules: []firewall.Rule{
		{ID: "good", Program: good, Verdict: firewall.Allow, Until: until},
		{ID: "bad", Program: bad, Verdict: firewall.Block, Until: until},
	}})
	allowed, blocked := world.talk(good), world.talk(bad)
	must(t, allowed, "open udp4")
	must(t, blocked, "open udp4")
	g.kill()
	passed := func() int {
		before := world.see("before")["udp 7000"]
		must(t, allowed, "sendto 10.77.0.2:7000 x")
		return world.see("after")["udp 7000"] - before
	}
	if n := passed(); n != 1 {
		t.Errorf("before the end %d datagrams of the allowed program passed, want 1", n)
	}
	if r := do(t, blocked, "sendto 10.77.0.2:7000 x"); r.Error != "EPERM" {
		t.Errorf("before the end the blocked program says %q, want EPERM", r.Error)
	}
	if time.Now().After(end) {
		t.Skip("this machine is too slow just now")
	}
	await(t, "the end of the rules", func() bool { return time.Now().After(end) })
	if n := passed(); n != 0 {
		t.Error("after the end of its rule the allowed program still passed")
	}
	if r := do(t, blocked, "sendto 10.77.0.2:7000 x"); r.Error != "" {
		t.Errorf("after the end of its rule the blocked program says %q: it is unknown now", r.Error)
	}
}

// Two names share an address, one of them is blocked: what counts is the name
// that was asked for last, be it a moment before.
func TestAnAddressIsJudgedByTheNameItHasNow(t *testing.T) {
	world := newWorld(t)
	world.resolver()
	found, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(found)
	if err != nil {
		t.Fatal(err)
	}
	curl := world.executable("curl", content)
	g := world.guard(setup{Rules: []firewall.Rule{
		{ID: "good", Program: curl, Host: "good.example", Verdict: firewall.Allow},
		{ID: "bad", Program: curl, Host: "bad.example", Verdict: firewall.Block},
	}})
	fetch := func(host string) error {
		return world.inside(curl, "-sS4", "--max-time", "10", "http://"+host+"/hello").Run()
	}
	for range 20 {
		if err := fetch("good.example"); err != nil {
			t.Fatalf("the allowed name: %v", err)
		}
		if fetch("bad.example") == nil {
			t.Fatal("the blocked name was reached by what had been decided of the other")
		}
	}
	g.unasked(t)
	refused := func(when string) {
		t.Helper()
		c := world.inside(curl, "-sS", "--max-time", "2", "http://10.77.0.2/hello")
		if err := c.Run(); err == nil {
			t.Errorf("%s the address with the blocked name was reached", when)
		} else if code := c.ProcessState.ExitCode(); code != 7 { // failed to connect
			t.Errorf("%s: exit %d, want a refusal", when, code)
		}
	}
	refused("without a name")
	g.kill()
	refused("after a crash")
	g = world.guard(g.setup)
	refused("after the restart")
	if got := fetch("good.example"); got != nil {
		t.Errorf("after the restart, the allowed name: %v", got)
	}
	g.unasked(t)
}

// A laptop comes to another network: its resolver is one that was nobody
// special before.
func TestAResolverCountsOnceItIsConfigured(t *testing.T) {
	world := newWorld(t)
	conf := filepath.Join(world.dir, "resolv.conf")
	configure := func(address string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte("nameserver "+address+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	configure(peerAddr6)
	world.mustRun(world.outside("mount", "--bind", conf, "/etc/resolv.conf"))
	world.guard(setup{Mode: firewall.ModeBlock})
	program := world.talk(world.program("asks"))
	asks := func() string {
		must(t, program, "open udp4")
		r := do(t, program, "sendto 10.77.0.2:53 x")
		must(t, program, "close")
		return r.Error
	}
	await(t, "the kernel to block a stranger", func() bool { return asks() == "EPERM" })
	if n := world.see("blocked")["udp 53"]; n != 0 {
		t.Errorf("%d questions reached a stranger", n)
	}
	configure(peerAddr)
	await(t, "the resolver to be asked", func() bool { return asks() == "" })
	world.peer.send(t, "await udp 53")
	world.peer.next(t)
	configure(peerAddr6)
	await(t, "the former resolver to be a stranger", func() bool { return asks() == "EPERM" })
}
