package netfilter_test

import (
	"maps"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// used starts a program by a command that waits for its end.
func (w *world) used(by ...string) *talker {
	w.t.Helper()
	c := startChild[result](w.t, w.inside(by[0], by[1:]...), nil)
	w.t.Cleanup(func() { c.in.Close() }) // killing the command would leave the program
	return c
}

func TestAProgramIsAllowedOnlyToWhatStartedIt(t *testing.T) {
	const connections = 10
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("talker")
	script := []byte("#!/bin/sh\n\"$@\"\nexit 0\n") // the shell stays while the program runs
	backup, other := world.executable("backup.sh", script), world.executable("other.sh", script)
	g.setup.Rules = append(g.setup.Rules, firewall.Rule{ID: "backup", Program: path, StartedBy: backup, Verdict: firewall.Allow})
	g.tell(request{Do: "rules", Rules: g.setup.Rules})

	used := world.used(backup, path)
	before := world.queued()
	connects(t, used, connections)
	if trips := world.queued() - before; trips > 1 {
		t.Errorf("%d connections made %d trips to the engine, want one at most", connections, trips)
	}
	// The kernel keeps it for this process, also when other rules change.
	before = world.queued()
	g.decide("/usr/bin/other", firewall.Allow)
	connects(t, used, connections)
	if trips := world.queued() - before; trips > 0 {
		t.Errorf("after a change of other rules %d trips to the engine, want none", trips)
	}
	g.unasked(t)

	for name, program := range map[string]*talker{
		"by itself":         world.talk(path),
		"by another script": world.used(other, path),
		"by inline code":    world.used("/bin/sh", "-c", `"$0"; exit 0`, path),
	} {
		must(t, program, "open tcp4")
		program.send(t, "connect 10.77.0.2:7000")
		g.once(g.asked(path), firewall.Block)
		if r := program.next(t); r.Error == "" {
			t.Errorf("started %s it connected", name)
		}
		g.await("the question to be closed", func() bool { return len(g.prompts) == 0 })
	}
}

// What a rule for a program decides in the kernel is logged with what started
// the program, apart for each, also when the program is gone.
func TestWhatIsDecidedInTheKernelHasItsStarterInTheLog(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("talker")
	g.decide(path, firewall.Allow)
	script := []byte("#!/bin/sh\n\"$@\"\nread end\nexit 0\n")
	want := map[int]bool{}
	for _, name := range []string{"backup.sh", "other.sh"} {
		used := world.used(world.executable(name, script), path)
		connects(t, used, 3)
		want[used.cmd.Process.Pid] = true // the script is in the place of the command that entered
	}
	g.await("lines of both", func() bool {
		parents, count := map[int]bool{}, 0
		for _, e := range g.entries {
			if e.Program.Path == path && e.Reason == firewall.ByRule {
				parents[e.Parent] = true
				count += e.Count
			}
		}
		return count == 6 && maps.Equal(parents, want)
	})
}
