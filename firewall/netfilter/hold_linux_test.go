package netfilter_test

import (
	"fmt"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// allowedWithin and blockedWithin are promises to the person who answers.
const (
	allowedWithin = 50 * time.Millisecond
	blockedWithin = 100 * time.Millisecond

	// attempts: this machine's other work may delay one attempt, not all.
	attempts = 3
)

// way is one way of reaching the peer.
type way struct {
	name    string
	prepare []string // commands that pass without anybody being asked
	held    string   // the command that sends the first packet
	reply   string   // the command that succeeds once the packet passed; "" if that is held itself
	blocked string   // what the program is told once the packet was blocked
	arrives string   // what the peer then sees
}

var ways = []way{
	{"tcp4", []string{"open tcp4"}, "connect 10.77.0.2:7000", "", "ECONNABORTED", "tcp 7000"},
	{"tcp6", []string{"open tcp6"}, "connect [fd77::2]:7000", "", "ECONNABORTED", "tcp 7000"},
	{"v4-mapped", []string{"open tcp6"}, "connect [::ffff:10.77.0.2]:7000", "", "ECONNABORTED", "tcp 7000"},
	{"mptcp4", []string{"open mptcp4"}, "connect 10.77.0.2:7000", "", "ECONNREFUSED", "tcp 7000"},
	{"mptcp6", []string{"open mptcp6"}, "connect [fd77::2]:7000", "", "ECONNREFUSED", "tcp 7000"},
	{"udp4", []string{"open udp4", "connect 10.77.0.2:7000"}, "send hello", "recv", "ECONNABORTED", "udp 7000"},
	{"udp6", []string{"open udp6", "connect [fd77::2]:7000"}, "send hello", "recv", "ECONNABORTED", "udp 7000"},
	{"udp4 unconnected", []string{"open udp4"}, "sendto 10.77.0.2:7000 hello", "recv", "ECONNABORTED", "udp 7000"},
	{"udp6 unconnected", []string{"open udp6"}, "sendto [fd77::2]:7000 hello", "recv", "ECONNABORTED", "udp 7000"},
	{"udplite4", []string{"open udplite4"}, "sendto 10.77.0.2:7000 hello", "recv", "EHOSTUNREACH", "udplite 7000"},
	{"udplite4 connected", []string{"open udplite4", "connect 10.77.0.2:7000"}, "send hello", "recv", "EHOSTUNREACH", "udplite 7000"},
	{"udplite6", []string{"open udplite6"}, "sendto [fd77::2]:7000 hello", "recv", "EACCES", "udplite 7000"},
}

// begin runs a way up to the question.
func (w way) begin(t *testing.T, world *world, g *guard, path string) (*talker, firewall.Prompt) {
	t.Helper()
	program := world.talk(path)
	for _, command := range w.prepare {
		must(t, program, command)
	}
	program.send(t, w.held)
	if w.reply != "" {
		if r := program.next(t); r.Error != "" {
			t.Fatalf("%s: %s", w.held, r.Error)
		}
		program.send(t, w.reply)
	}
	return program, g.asked(path)
}

// again runs a way once more with a new process, until a command fails, and
// returns what the last command said.
func (w way) again(t *testing.T, world *world, path string) (last result) {
	t.Helper()
	program := world.talk(path)
	for _, command := range append(append([]string{}, w.prepare...), w.held) {
		if last = do(t, program, command); last.Error != "" {
			break
		}
	}
	return last
}

func TestAHeldFlowConnectsWhenItIsAllowed(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			world := world.at(t, g)
			best := time.Hour
			for attempt := 0; attempt < attempts && best > allowedWithin; attempt++ {
				path := world.program(fmt.Sprintf("allowed-%d-%d", i, attempt))
				before := world.see("before")[way.arrives]
				program, prompt := way.begin(t, world, g, path)
				if held := world.see("held")[way.arrives]; held != before {
					t.Fatalf("%d packets passed before the answer", held-before)
				}
				if !program.silent() {
					t.Fatalf("the program went on before the answer: %+v", program.next(t))
				}
				answered := g.remember(prompt, firewall.Allow)
				r := program.next(t)
				if r.Error != "" {
					t.Fatalf("allowed, but %s: %s", r.Command, r.Error)
				}
				best = min(best, r.Ended.Sub(answered))
				if r := way.again(t, world, path); r.Error != "" {
					t.Fatalf("allowed, but the second attempt's %s: %s", r.Command, r.Error)
				}
				g.unasked(t)
			}
			if best > allowedWithin {
				t.Errorf("connected %v after the answer, the promise is %v", best, allowedWithin)
			}
			t.Logf("connected %v after the answer", best)
		})
	}
}

func TestAHeldFlowFailsWhenItIsBlocked(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			world := world.at(t, g)
			best := time.Hour
			for attempt := 0; attempt < attempts && best > blockedWithin; attempt++ {
				path := world.program(fmt.Sprintf("blocked-%d-%d", i, attempt))
				before := world.see("before")[way.arrives]
				program, prompt := way.begin(t, world, g, path)
				answered := g.remember(prompt, firewall.Block)
				r := program.next(t)
				if r.Error != way.blocked {
					t.Fatalf("blocked, but %s says %q, want %s", r.Command, r.Error, way.blocked)
				}
				best = min(best, r.Ended.Sub(answered))
				// The next attempt fails inside the system call, without a question.
				if r := way.again(t, world, path); r.Error != "EPERM" || r.Took > blockedWithin {
					t.Fatalf("the second attempt: %s says %q after %v, want EPERM at once", r.Command, r.Error, r.Took)
				}
				g.unasked(t)
				if after := world.see("after")[way.arrives]; after != before {
					t.Fatalf("%d packets of a blocked program passed", after-before)
				}
			}
			if best > blockedWithin {
				t.Errorf("failed %v after the answer, the promise is %v", best, blockedWithin)
			}
			t.Logf("failed %v after the answer", best)
		})
	}
}

func TestTheAnswerIsRememberedAfterARestart(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, bad := world.program("good"), world.program("bad")
	for path, verdict := range map[string]firewall.Verdict{good: firewall.Allow, bad: firewall.Block} {
		program := world.talk(path)
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
		g.remember(g.asked(path), verdict)
		program.next(t)
	}
	g.stop()
	g = world.guard(g.setup)
	if got := world.tries(good); got != "" {
		t.Errorf("after the restart, the allowed program says %q", got)
	}
	// The kernel learns a program by its first attempt, which is judged without a question.
	if got := world.tries(bad); got != "EPERM" && got != "ECONNABORTED" {
		t.Errorf("after the restart, the blocked program says %q", got)
	}
	if got := world.tries(bad); got != "EPERM" {
		t.Errorf("after the restart, the blocked program's second attempt says %q, want EPERM", got)
	}
	g.unasked(t)
}

func TestManyUnknownProgramsAreAskedAboutAtOnce(t *testing.T) {
	const programs = 24
	world := newWorld(t)
	g := world.guard(setup{})
	paths := make([]string, programs)
	running := make([]*talker, programs)
	for i := range programs {
		paths[i] = world.program(fmt.Sprint("many-", i))
		running[i] = world.talk(paths[i])
		must(t, running[i], "open tcp4")
	}
	for _, program := range running {
		program.send(t, "connect 10.77.0.2:7000")
	}
	g.await("all questions", func() bool { return len(g.prompts) == programs })
	if seen := world.see("held")["tcp 7000"]; seen != 0 {
		t.Fatalf("%d packets passed before an answer", seen)
	}
	// The last are answered first: no answer waits for another.
	for i := programs - 1; i >= 0; i-- {
		verdict, want := firewall.Allow, ""
		if i%2 == 0 {
			verdict, want = firewall.Block, "ECONNABORTED"
		}
		g.remember(g.asked(paths[i]), verdict)
		if r := running[i].next(t); r.Error != want {
			t.Errorf("program %d: %q, want %q", i, r.Error, want)
		}
		for j := range i {
			if !running[j].silent() {
				t.Fatalf("the answer about program %d released program %d", i, j)
			}
		}
	}
	if seen := world.see("done")["tcp 7000"]; seen != programs/2 {
		t.Errorf("the peer saw %d connections, want %d", seen, programs/2)
	}
}
