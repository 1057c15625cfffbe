package netfilter_test

import (
	"fmt"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// tally sums the lines about a program by verdict.
func (g *guard) tally(path string) map[firewall.Verdict]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := map[firewall.Verdict]int{}
	for _, e := range g.entries {
		if e.Program.Path == path {
			sum[e.Verdict] += e.Count
		}
	}
	return sum
}

// Whoever decides, kernel or engine, and whatever becomes of it: each attempt
// is counted, once.
func TestTheLogCountsEveryAttemptOnce(t *testing.T) {
	const attempts = 40
	world := newWorld(t)
	g := world.guard(setup{})
	type kind struct {
		name  string
		tries []string
	}
	kinds := []kind{
		{"tcp4", []string{"open tcp4", "connect 10.77.0.2:7000", "close"}},
		{"tcp6", []string{"open tcp6", "connect [fd77::2]:7000", "close"}},
		{"mptcp4", []string{"open mptcp4", "connect 10.77.0.2:7000", "close"}},
		{"udp4", []string{"open udp4", "sendto 10.77.0.2:7000 x", "close"}},
		{"udp6", []string{"open udp6", "sendto [fd77::2]:7000 x", "close"}},
		{"connected udp", []string{"open udp4", "connect 10.77.0.2:7000", "send x", "close"}},
		{"udplite", []string{"open udplite4", "sendto 10.77.0.2:7000 x", "close"}},
		{"ping", []string{"open ping4", "sendto 10.77.0.2:0 " + echoRequest4, "close"}},
		{"raw", []string{"open raw4/253", "sendto 10.77.0.2:0 x", "close"}},
	}
	type count struct {
		name, path string
		verdict    firewall.Verdict
	}
	var counts []count
	for _, verdict := range []firewall.Verdict{firewall.Allow, firewall.Block} {
		for _, engine := range []bool{false, true} {
			for _, k := range kinds {
				name := fmt.Sprintf("%s %v by the engine %v", k.name, verdict, engine)
				path := world.program(fmt.Sprint("counted-", len(counts)))
				g.rule(path, verdict)
				if engine { // a name is known for one flow only: the kernel cannot decide
					g.setup.Rules = append(g.setup.Rules, firewall.Rule{
						ID: firewall.RuleID(fmt.Sprint("host-", len(counts))), Program: path, Host: "nowhere.test", Verdict: firewall.Block,
					})
				}
				counts = append(counts, count{name, path, verdict})
			}
		}
	}
	g.tell(request{Do: "rules", Rules: g.setup.Rules})
	for i, c := range counts {
		program := world.talk(c.path)
		for range attempts {
			for _, command := range kinds[i%len(kinds)].tries {
				if r := do(t, program, command); r.Error != "" && c.verdict == firewall.Allow {
					t.Fatalf("%s: %s: %s", c.name, command, r.Error)
				}
			}
		}
	}
	for _, c := range counts {
		g.await("every attempt of "+c.name+" in the log", func() bool { return g.counted(c.path) >= attempts })
	}
	g.unasked(t)
	if e := g.tell(request{Do: "stats"}); e.Lost != 0 || e.Stats.DroppedEvents != 0 {
		t.Errorf("%d and %d events were lost", e.Lost, e.Stats.DroppedEvents)
	}
	g.stop() // nothing may come twice
	for _, c := range counts {
		if got := g.tally(c.path); got[c.verdict] != attempts || len(got) != 1 {
			t.Errorf("%s: the log counts %v, want %d", c.name, got, attempts)
		}
	}
}

// The kernel goes on counting while nobody reads.
func TestWhatHappensWhileNoEngineRunsIsInTheLog(t *testing.T) {
	const attempts = 40
	world := newWorld(t)
	g := world.guard(setup{})
	paths := map[firewall.Verdict]string{firewall.Allow: world.program("good"), firewall.Block: world.program("bad")}
	for verdict, path := range paths {
		g.decide(path, verdict)
		world.tries(path) // the kernel knows the decision now
		g.await("the line", func() bool {
			for _, e := range g.entries {
				if e.Program.Path == path {
					return true
				}
			}
			return false
		})
	}
	g.kill()
	for _, path := range paths {
		program := world.talk(path)
		for range attempts {
			must(t, program, "open tcp4")
			do(t, program, "connect 10.77.0.2:7000")
			must(t, program, "close")
		}
	}
	g = world.guard(g.setup)
	g.stop()
	for verdict, path := range paths {
		if got := g.tally(path); got[verdict] != attempts || len(got) != 1 {
			t.Errorf("%v: the log counts %v, want %d", verdict, got, attempts)
		}
	}
}
