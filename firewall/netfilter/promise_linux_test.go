package netfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

func TestASocketFromBeforeTheStartDoesNotSlipThrough(t *testing.T) {
	world := newWorld(t)
	path := world.program("early")
	stream, datagrams := world.talk(path), world.talk(path)
	must(t, stream, "open tcp4")
	must(t, datagrams, "open udp4")
	g := world.guard(setup{})
	stream.send(t, "connect 10.77.0.2:7000")
	must(t, datagrams, "sendto 10.77.0.2:7000 hello")
	prompt := g.asked(path)
	if seen := world.see("held"); seen["tcp 7000"]+seen["udp 7000"] != 0 {
		t.Fatalf("packets passed unasked: %v", seen)
	}
	g.remember(prompt, firewall.Allow)
	if r := stream.next(t); r.Error != "" {
		t.Errorf("allowed, but %s", r.Error)
	}
	must(t, datagrams, "recv")
}

func TestAProcessMovedIntoTheCgroupDoesNotSlipThrough(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("moved")
	stream := startChild[result](t, world.outside(path), nil)
	datagrams := startChild[result](t, world.outside(path), nil)
	must(t, stream, "open tcp4")
	must(t, datagrams, "open udp4")
	must(t, datagrams, "connect 10.77.0.2:7000")
	world.moveInside(stream.cmd.Process.Pid)
	world.moveInside(datagrams.cmd.Process.Pid)
	stream.send(t, "connect 10.77.0.2:7000")
	must(t, datagrams, "send hello")
	g.asked(path)
	seen := world.see("held")
	if seen["tcp 7000"] != 0 {
		t.Errorf("%d connections passed unasked", seen["tcp 7000"])
	}
	if seen["udp 7000"] != 0 {
		t.Errorf("%d datagrams of a socket from outside the cgroup passed unasked", seen["udp 7000"])
	}
}

func TestAConnectionFromBeforeTheStartIsListedLeftAloneAndCutByARule(t *testing.T) {
	world := newWorld(t)
	path := world.program("existing")
	program := world.talk(path)
	must(t, program, "open tcp4")
	must(t, program, "connect 10.77.0.2:7000")
	g := world.guard(setup{})
	g.await("the existing connection in the log", func() bool {
		for _, e := range g.entries {
			if e.Program.Path == path && e.Reason == firewall.Existing {
				return true
			}
		}
		return false
	})
	must(t, program, "send hello")
	if r := must(t, program, "recv"); r.Text != "hello" {
		t.Fatalf("the connection gave %q", r.Text)
	}
	g.unasked(t)
	program.send(t, "recv")
	decided := g.decide(path, firewall.Block)
	r := program.next(t)
	if r.Error == "" || r.Error == "EAGAIN" {
		t.Fatalf("a rule blocks, but the connection says %q", r.Error)
	}
	t.Logf("cut %v after the rule", r.Ended.Sub(decided))
}

func TestARuleChangedToBlockCutsARunningDownload(t *testing.T) {
	world := newWorld(t)
	for _, test := range []struct{ kind, read, error string }{
		{"tcp4", "drain", "ECONNABORTED"},
		{"tcp4", "follow", "ECONNABORTED"},
		{"mptcp4", "follow", "ENOTCONN"},
		{"mptcp4", "drain", ""}, // blocked in read: no kernel tells it more than the end
	} {
		t.Run(test.kind+" "+test.read, func(t *testing.T) {
			world := world.at(t, nil)
			path := world.program("download-" + test.kind + test.read)
			g := world.guard(setup{})
			defer g.stop()
			g.decide(path, firewall.Allow)
			program := world.talk(path)
			must(t, program, "open "+test.kind)
			must(t, program, "connect 10.77.0.2:80")
			must(t, program, `send GET /endless HTTP/1.0\n\n`)
			program.send(t, test.read)
			decided := g.decide(path, firewall.Block)
			r := program.next(t)
			if r.Ended.Before(decided) || test.error != "" && r.Error != test.error {
				t.Fatalf("the download ended with %q %v after the rule, want %s", r.Error, r.Ended.Sub(decided), test.error)
			}
			if cut := r.Ended.Sub(decided); cut > time.Second {
				t.Errorf("cut only %v after the rule", cut)
			}
		})
	}
}

func TestAnImpostorDoesNotInheritAPermission(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	honest, evil := world.program("honest"), world.program("evil")
	g.decide(honest, firewall.Allow)
	program := world.talk(honest)
	must(t, program, "open tcp4")
	must(t, program, "connect 10.77.0.2:7000")

	t.Run("bound over the path in a namespace of its own", func(t *testing.T) {
		world := world.at(t, g)
		script := fmt.Sprintf("mount --bind %s %s && exec %s", evil, honest, honest)
		impostor := startChild[result](t, world.inside("unshare", "-Urm", "sh", "-c", script), nil)
		must(t, impostor, "open tcp4")
		impostor.send(t, "connect 10.77.0.2:7000")
		g.await("a question about the impostor", func() bool { return len(g.prompts) == 1 })
		p := g.prompts[0]
		if p.Program.ID() == honest || p.Program.Kind != firewall.Foreign {
			t.Errorf("the impostor counts as %+v", p.Program)
		}
		g.once(p, firewall.Block)
		if r := impostor.next(t); r.Error == "" {
			t.Error("the impostor connected")
		}
	})
	t.Run("by the name it gives itself", func(t *testing.T) {
		world := world.at(t, g)
		if err := os.Mkdir(filepath.Join(world.dir, "elsewhere"), 0o755); err != nil {
			t.Fatal(err)
		}
		renamed := filepath.Join(world.dir, "elsewhere", filepath.Base(honest))
		if err := os.Rename(evil, renamed); err != nil {
			t.Fatal(err)
		}
		before := world.see("before")["tcp 7000"]
		script := fmt.Sprintf("exec -a %s %s", honest, renamed)
		impostor := startChild[result](t, world.inside("bash", "-c", script), nil)
		must(t, impostor, "open tcp4")
		impostor.send(t, "connect 10.77.0.2:7000")
		g.once(g.asked(renamed), firewall.Block)
		if r := impostor.next(t); r.Error == "" {
			t.Error("the renamed program connected")
		}
		if after := world.see("after")["tcp 7000"]; after != before {
			t.Errorf("%d packets of the impostor passed", after-before)
		}
	})
	t.Run("renamed while it runs", func(t *testing.T) {
		world := world.at(t, g)
		sly := world.program("sly")
		impostor := world.talk(sly)
		must(t, impostor, "open tcp4")
		if err := os.Rename(sly, sly+".old"); err != nil {
			t.Fatal(err)
		}
		world.program("sly")
		g.decide(sly, firewall.Allow) // the file that is there now
		impostor.send(t, "connect 10.77.0.2:7000")
		p := g.asked(sly + ".old")
		g.once(p, firewall.Block)
		if r := impostor.next(t); r.Error == "" {
			t.Error("the program connected by the name it had before")
		}
	})
}

func TestAPathTooLongIsUnidentified(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{Rules: []firewall.Rule{}})
	built, err := buildTalk()
	if err != nil {
		t.Fatal(err)
	}
	// The path is longer than any system call takes, so it is made step by step.
	folder, err := unix.Open(world.dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 250)
	for range 20 {
		if err := unix.Mkdirat(folder, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(folder, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(folder)
		if err != nil {
			t.Fatal(err)
		}
		folder = next
	}
	deep := os.NewFile(uintptr(folder), "deep")
	defer deep.Close()
	b, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("/proc/self/fd", fmt.Sprint(deep.Fd()), "deep"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	c := world.inside("/proc/self/fd/3/deep")
	c.ExtraFiles = []*os.File{deep}
	program := startChild[result](t, c, nil)
	must(t, program, "open tcp4")
	program.send(t, "connect 10.77.0.2:7000")
	g.await("a question", func() bool { return len(g.prompts) == 1 })
	p := g.prompts[0]
	if p.Program.Kind != firewall.Unidentified || p.Program.ID() != "" {
		t.Errorf("the program counts as %+v", p.Program)
	}
	g.once(p, firewall.Allow)
	if r := program.next(t); r.Error != "" {
		t.Errorf("allowed once, but %s", r.Error)
	}
}
