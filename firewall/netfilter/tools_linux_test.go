package netfilter_test

import (
	"os/exec"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// tools are programs that everybody has; copies of them are unknown.
var tools = []struct {
	name, program string
	arguments     []string
}{
	{"curl", "curl", []string{"-sS", "--max-time", "10", "http://10.77.0.2/hello"}},
	{"curl over ipv6", "curl", []string{"-sS", "--max-time", "10", "http://[fd77::2]/hello"}},
	{"ping", "ping", []string{"-n", "-c1", "-W10", "10.77.0.2"}},
	{"ping over ipv6", "ping", []string{"-n", "-c1", "-W10", "fd77::2"}},
}

func TestToolsAreHeldAndAnswered(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	for _, tool := range tools {
		for _, verdict := range []firewall.Verdict{firewall.Allow, firewall.Block} {
			t.Run(tool.name+" "+verdict.String(), func(t *testing.T) {
				world := world.at(t, g)
				found, err := exec.LookPath(tool.program)
				if err != nil {
					t.Fatal(err)
				}
				best, limit := time.Hour, allowedWithin
				if verdict == firewall.Block {
					limit = blockedWithin
				}
				for attempt := 0; attempt < attempts && best > limit; attempt++ {
					path := world.copyOf(found, t.Name(), attempt)
					c := world.inside(path, tool.arguments...)
					before := world.see("before")
					run := startChild[string](t, c, nil)
					prompt := g.asked(path)
					held := world.see("held")
					for _, what := range []string{"tcp 80", "icmp 0"} {
						if held[what] != before[what] {
							t.Fatalf("%s passed before the answer", what)
						}
					}
					answered := g.remember(prompt, verdict)
					run.wait(t)
					if allowed := run.err == nil; allowed != (verdict == firewall.Allow) {
						t.Fatalf("%v, but the tool ended with %v: %s", verdict, run.err, run.noise.String())
					}
					best = min(best, time.Since(answered))
				}
				if best > limit {
					t.Errorf("ended %v after the answer, the promise is %v", best, limit)
				}
				t.Logf("ended %v after the answer", best)
			})
		}
	}
}
