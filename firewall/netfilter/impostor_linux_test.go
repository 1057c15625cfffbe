package netfilter_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// In a user namespace of its own, a program may tell the kernel that it runs
// another file than it does, and /proc then says so.
func TestAProgramThatTakesAnothersNameHasNotItsPermission(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good := world.program("good")
	g.decide(good, firewall.Allow)
	program := world.talk(good)
	must(t, program, "open tcp4")
	must(t, program, "connect 10.77.0.2:7000") // the kernel knows the permission
	spoof := filepath.Join(world.dir, "spoof")
	world.mustRun(exec.Command("gcc", "-O1", "-fno-stack-protector", "-o", spoof, "../firewalltest/testdata/spoof.c"))

	for _, test := range []struct {
		answer firewall.Verdict
		says   string
	}{{firewall.Block, "refused\n"}, {firewall.Allow, "connected\n"}} {
		var said bytes.Buffer
		c := world.inside(spoof, "10.77.0.2:7000", good)
		c.Stdout = &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		g.await("a question", func() bool { return len(g.prompts) == 1 && g.prompts[0].First.PID == c.Process.Pid })
		p := g.prompts[0]
		if p.Program.Kind != firewall.Unidentified || p.Program.ID() != "" ||
			p.Program.Why != "says that it runs a file that it does not run" {
			t.Errorf("asked about %+v", p.Program)
		}
		g.once(p, test.answer)
		if err := <-ended; err != nil || said.String() != test.says {
			t.Errorf("answered %v, it says %q (%v)", test.answer, said.String(), err)
		}
	}
	for _, e := range g.entries {
		if e.Program.Path == good && e.PID != program.cmd.Process.Pid {
			t.Errorf("%s is blamed for process %d", good, e.PID)
		}
	}
}
