package netfilter_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// queued is how many packets the engines of this world got to decide.
func (w *world) queued() (packets uint64) {
	w.t.Helper()
	for line := range strings.Lines(w.mustRun(w.outside("cat", "/proc/net/netfilter/nfnetlink_queue"))) {
		fields := strings.Fields(line)
		n, err := strconv.ParseUint(fields[7], 10, 64) // the number of the last packet
		if err != nil {
			w.t.Fatal(err)
		}
		packets += n
	}
	return packets
}

func failModes(t *testing.T, f func(t *testing.T, failOpen bool)) {
	for _, failOpen := range []bool{false, true} {
		name := map[bool]string{false: "fail-closed", true: "fail-open"}[failOpen]
		t.Run(name, func(t *testing.T) { f(t, failOpen) })
	}
}

// decided checks that an allowed and a blocked program are decided in the
// kernel, at their next attempt.
func (w *world) decided(when, good, bad string) {
	w.t.Helper()
	if got := w.tries(good); got != "" {
		w.t.Errorf("%s, the allowed program says %q", when, got)
	}
	if got := w.tries(bad); got != "EPERM" {
		w.t.Errorf("%s, the blocked program says %q, want EPERM", when, got)
	}
}

func TestASecondCrashLeavesDecisionsInForce(t *testing.T) {
	failModes(t, func(t *testing.T, failOpen bool) {
		world := newWorld(t)
		g := world.guard(setup{FailOpen: failOpen})
		good, bad := world.program("good"), world.program("bad")
		g.decide(good, firewall.Allow)
		g.decide(bad, firewall.Block)
		world.decided("at first", good, bad)
		for range 3 {
			g.kill()
			g = world.guard(g.setup) // nobody tries meanwhile
		}
		g.kill()
		world.decided("after the last crash", good, bad)
	})
}

func TestAProgramThatNeverRanIsDecidedAfterACrash(t *testing.T) {
	failModes(t, func(t *testing.T, failOpen bool) {
		world := newWorld(t)
		good, bad := world.program("good"), world.program("bad")
		g := world.guard(setup{FailOpen: failOpen, Rules: []firewall.Rule{
			{ID: "good", Program: good, Verdict: firewall.Allow}, {ID: "bad", Program: bad, Verdict: firewall.Block},
		}})
		g.kill()
		world.decided("after the crash", good, bad)
	})
}

// While engines die, start and change rules there is no moment at which a
// decided program is unknown.
func TestNoMomentForgetsADecision(t *testing.T) {
	failModes(t, func(t *testing.T, failOpen bool) {
		world := newWorld(t)
		good, bad, learnt := world.program("good"), world.program("bad"), world.program("learnt")
		g := world.guard(setup{FailOpen: failOpen, Rules: []firewall.Rule{
			{ID: "good", Program: good, Verdict: firewall.Allow}, {ID: "bad", Program: bad, Verdict: firewall.Block},
			{ID: "rest", Program: firewall.AnyProgram, Verdict: firewall.Block},
		}})
		var running []*talker
		for _, path := range []string{good, bad, learnt} {
			running = append(running, world.talk(path))
		}
		await(t, "the kernel to learn a program", func() bool {
			must(t, running[2], "open udp4")
			learnt := do(t, running[2], "sendto 10.77.0.2:7001 x").Error == "EPERM"
			must(t, running[2], "close")
			return learnt
		})
		tried := 0
		try := func(when string) {
			t.Helper()
			for i, want := range []string{"", "EPERM"} {
				must(t, running[i], "open udp4")
				if r := do(t, running[i], "sendto 10.77.0.2:7000 x"); r.Error != want {
					t.Errorf("%s, program %d says %q, want %q", when, i, r.Error, want)
				}
				if want == "" {
					if r := do(t, running[i], "recv"); r.Text != "x" {
						t.Errorf("%s, the datagram of the allowed program got no answer: %q", when, r.Error)
					}
				}
				must(t, running[i], "close")
			}
			must(t, running[2], "open udp4")
			if r := do(t, running[2], "sendto 10.77.0.2:7001 x"); r.Error != "EPERM" {
				t.Errorf("%s, the program that was learnt says %q, want EPERM", when, r.Error)
			}
			must(t, running[2], "close")
			tried++
		}
		for round := range 4 {
			g.kill()
			try("killed")
			g = world.starting(g.setup)
			for ready := false; !ready && !t.Failed(); {
				try("starting")
				g.mu.Lock()
				ready = g.ready
				g.mu.Unlock()
			}
			for i := range 4 {
				note := firewall.Rule{ID: "other", Program: "/opt/other", Port: uint16(round*4 + i + 1), Verdict: firewall.Block}
				g.order(request{Do: "rules", Put: &note})
				for obeyed := false; !obeyed && !t.Failed(); {
					try("changing")
					g.mu.Lock()
					if obeyed = len(g.done) > 0; obeyed {
						g.done = nil
					}
					g.mu.Unlock()
				}
			}
		}
		if n := world.see("after")["udp 7001"]; n != 0 {
			t.Errorf("%d datagrams of a blocked program passed", n)
		}
		t.Logf("tried %d times", tried)
	})
}

// Programs that no rule names are decided by rules for any program.
func TestASecondCrashLeavesWhatWasLearntInForce(t *testing.T) {
	failModes(t, func(t *testing.T, failOpen bool) {
		world := newWorld(t)
		g := world.guard(setup{FailOpen: failOpen, Rules: []firewall.Rule{
			{ID: "echo", Program: firewall.AnyProgram, Port: echoPort, Verdict: firewall.Allow},
			{ID: "rest", Program: firewall.AnyProgram, Verdict: firewall.Block},
		}})
		path := world.program("any")
		tries := func(port string) string {
			program := world.talk(path)
			must(t, program, "open tcp4")
			r := do(t, program, "connect 10.77.0.2:"+port)
			world.end(program)
			return r.Error
		}
		tries("7000")
		tries("80")
		for range 2 {
			g.kill()
			g = world.guard(g.setup)
		}
		g.kill()
		if got := tries("7000"); got != "" {
			t.Errorf("the allowed destination: %q", got)
		}
		if got := tries("80"); got != "EPERM" {
			t.Errorf("the blocked destination: %q, want EPERM", got)
		}
	})
}

func TestTheFirstAttemptAfterARestartIsDecidedInTheKernel(t *testing.T) {
	world := newWorld(t)
	good, bad := world.program("good"), world.program("bad")
	g := world.guard(setup{})
	g.decide(good, firewall.Allow)
	g.decide(bad, firewall.Block)
	g.stop()
	g = world.guard(g.setup)
	world.decided("after the restart", good, bad)
	g.decide(good, firewall.Block)
	g.decide(bad, firewall.Allow)
	world.decided("after the rules were changed", bad, good)
	if n := world.queued(); n != 0 {
		t.Errorf("%d packets went to the engine", n)
	}
	g.unasked(t)
}

// A private mount namespace, as many services have, is the same place where
// the same file is at the same path.
func TestAServiceInAMountNamespaceOfItsOwnIsDecidedAtOnce(t *testing.T) {
	world := newWorld(t)
	bad := world.program("bad")
	g := world.guard(setup{Rules: []firewall.Rule{{ID: "bad", Program: bad, Verdict: firewall.Block}}})
	try := func(when string) {
		t.Helper()
		program := startChild[result](t, world.inside("unshare", "-m", bad), nil)
		must(t, program, "open tcp4")
		if r := do(t, program, "connect 10.77.0.2:7000"); r.Error != "EPERM" {
			t.Errorf("%s, a blocked service says %q, want EPERM", when, r.Error)
		}
	}
	try("at first")
	g.unasked(t)
	g.kill() // to the kernel the program is a new one each time
	try("after a crash")
}

// Rules hold for paths as the kernel names them, not for other names of the
// same file.
func TestASymbolicLinkIsNoOtherProgram(t *testing.T) {
	world := newWorld(t)
	real := world.program("real")
	links := filepath.Join(world.dir, "links")
	if err := os.Symlink(world.dir, links); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(links, "real")
	link := filepath.Join(world.dir, "link")
	hard := filepath.Join(world.dir, "hard")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(real, hard); err != nil {
		t.Fatal(err)
	}
	g := world.guard(setup{Rules: []firewall.Rule{
		{ID: "other", Program: other, Verdict: firewall.Allow}, {ID: "link", Program: link, Verdict: firewall.Allow},
		{ID: "hard", Program: hard, Verdict: firewall.Block},
	}})
	for _, path := range []string{other, link, real} {
		program := world.talk(path)
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
		g.once(g.asked(real), firewall.Block)
		if r := program.next(t); r.Error == "" {
			t.Errorf("%s connected by the rule for another path", path)
		}
		g.await("the question to be closed", func() bool { return len(g.prompts) == 0 })
	}
	if got := world.tries(hard); got != "EPERM" {
		t.Errorf("the hard link with a rule says %q, want EPERM", got)
	}
}

// An update replaces a file: it is the same program, the file that is still
// running is not.
func TestAReplacedFileIsJudgedAnew(t *testing.T) {
	world := newWorld(t)
	good, bad := world.program("good"), world.program("bad")
	g := world.guard(setup{FailOpen: true, Rules: []firewall.Rule{
		{ID: "good", Program: good, Verdict: firewall.Allow}, {ID: "bad", Program: bad, Verdict: firewall.Block},
	}})
	world.decided("at first", good, bad)
	for name, path := range map[string]string{"good.new": good, "bad.new": bad} {
		if err := os.Rename(world.program(name), path); err != nil {
			t.Fatal(err)
		}
	}
	if got := world.tries(good); got != "" {
		t.Errorf("updated, the allowed program says %q", got)
	}
	if got := world.tries(bad); got == "" {
		t.Error("updated, the blocked program connected")
	}
	g.kill()
	world.decided("after the update and a crash", good, bad)
}
