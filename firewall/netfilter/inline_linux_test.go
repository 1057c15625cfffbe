package netfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// What is not proven to be the script that a rule names, asks as inline code
// and has no permission of it.
func TestAScriptThatMayBeAnotherIsInlineCode(t *testing.T) {
	world := newWorld(t)
	dir := world.dir
	good := world.executable("good.py", []byte(pythonTalks))
	early := world.runs("python3 " + good)
	g := world.guard(setup{})
	g.decide("script:python:"+good, firewall.Allow)
	isInline := func(t *testing.T, program *talker, why string) {
		t.Helper()
		world := world.at(t, g)
		program.send(t, "connect")
		p := g.askedOf(program.cmd.Process.Pid)
		if p.Program.Kind != firewall.Interpreted || p.Program.Script != "" || p.Program.Lasting() || p.Program.Why != why {
			t.Errorf("asked about %+v, want %q", p.Program, why)
		}
		g.once(p, firewall.Block)
		if r := program.next(t); r.Error == "" {
			t.Error("it has the permission of the script")
		}
		world.end(program)
	}
	t.Run("it ran before the firewall", func(t *testing.T) { isInline(t, early, "started before this firewall") })

	// begun waits until the script runs: what it was is read then.
	begun := func(t *testing.T, line string) *talker {
		t.Helper()
		program := world.at(t, g).runs(line)
		must(t, program, "exec "+filepath.Join(dir, filepath.Base(line)))
		world.begun(program)
		return program
	}
	const changed = "its script was changed since it was started"
	t.Run("it was rewritten", func(t *testing.T) {
		program := begun(t, "python3 "+good)
		if err := os.WriteFile(good, []byte(pythonTalks), 0o755); err != nil {
			t.Fatal(err)
		}
		isInline(t, program, changed)
	})
	t.Run("its link leads elsewhere", func(t *testing.T) {
		link := filepath.Join(dir, "link.py")
		if err := os.Symlink(world.executable("evil.py", []byte(pythonTalks)), link); err != nil {
			t.Fatal(err)
		}
		program := begun(t, "python3 "+link)
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(good, link); err != nil {
			t.Fatal(err)
		}
		isInline(t, program, changed)
	})
	t.Run("it was removed", func(t *testing.T) {
		other := world.executable("other.py", []byte(pythonTalks))
		program := begun(t, "python3 "+other)
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
		isInline(t, program, "its script is not there any more")
	})
	t.Run("below another root", func(t *testing.T) {
		jail := filepath.Join(dir, "jail")
		evil := filepath.Join(jail, good)
		for _, folder := range []string{filepath.Dir(evil), filepath.Join(jail, "usr")} {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(evil, []byte(pythonTalks), 0o755); err != nil {
			t.Fatal(err)
		}
		for link, target := range map[string]string{"lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin"} {
			if err := os.Symlink(target, filepath.Join(jail, link)); err != nil {
				t.Fatal(err)
			}
		}
		world.mustRun(world.outside("mount", "--bind", "/usr", filepath.Join(jail, "usr")))
		enter := `import os, sys
fd = os.open("/usr/bin/python3", os.O_RDONLY)
os.chroot(sys.argv[1])
os.chdir("/")
os.execve(fd, ["python3", sys.argv[2]], {})`
		program := startChild[result](t, world.inside("unshare", "-r", "/usr/bin/python3", "-c", enter, jail, good), nil)
		isInline(t, program, "below another root folder")
	})
	t.Run("where everybody can mount", func(t *testing.T) {
		isInline(t, world.at(t, g).runs("unshare -rm python3 "+good), "in another mount namespace")
	})
	t.Run("where another file is mounted over it", func(t *testing.T) {
		evil := world.executable("evil-mounted.py", []byte(pythonTalks))
		isInline(t, world.at(t, g).runs("unshare -m sh -c mount${IFS}--bind${IFS}"+evil+"${IFS}"+good+";exec${IFS}python3${IFS}"+good), "in another mount namespace")
	})
	t.Run("a service's own mounts leave the script as it is", func(t *testing.T) {
		if got := connectsOnce(t, world.at(t, g).runs("unshare -m sh -c mount${IFS}-t${IFS}tmpfs${IFS}none${IFS}/var/tmp;exec${IFS}python3${IFS}"+good)); got != "" {
			t.Errorf("the same script in its own mount namespace: %s", got)
		}
	})
}

// begun waits until a script reads its lines: it is loaded then.
func (w *world) begun(program *talker) {
	w.t.Helper()
	await(w.t, "the script to read its lines", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", program.cmd.Process.Pid))
		return strings.HasPrefix(string(text), "0 0x0 ")
	})
}

func TestInlineCodeIsAllowedUntilItExits(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	script := world.executable("good.py", []byte(pythonTalks))
	line := "python3 -c exec(open('" + script + "').read())"
	program := world.runs(line)
	program.send(t, "connect")
	p := g.askedOf(program.cmd.Process.Pid)
	rule := p.Rule(firewall.Allow, firewall.ScopeProgram)
	rule.ID, rule.Created = "exit", time.Now()
	rule.Until = firewall.Expiry{Exit: true, PID: p.First.PID, Started: p.First.Started}
	g.tell(request{Do: "answer", Put: &rule, Answer: firewall.Answer{Prompt: p.ID, Verdict: firewall.Allow, Rule: &rule.ID}})
	if r := program.next(t); r.Error != "" {
		t.Errorf("allowed, but %s", r.Error)
	}
	must(t, program, "connect")
	before := world.queued()
	must(t, program, "connect")
	if trips := world.queued() - before; trips > 0 {
		t.Errorf("decided, and yet %d trips to the engine", trips)
	}
	other := world.runs(line)
	other.send(t, "connect")
	g.once(g.askedOf(other.cmd.Process.Pid), firewall.Block)
	if r := other.next(t); r.Error == "" {
		t.Error("the same code in another process has its permission")
	}
}
