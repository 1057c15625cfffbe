package netfilter_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// edition puts a version of a script at its path: all run alike and are of one
// size.
func (w *world) edition(name, version string) string {
	w.t.Helper()
	return w.executable(name, []byte(pythonTalks+"# version "+version+"\n"))
}

// replaceScript are ways to put another version in the place of a script.
var replaceScript = replacing((*world).edition)

// idOf is what rules call a script of Python.
func idOf(script string) string { return "script:python:" + script }

// allowScript allows a script, which connects, and waits until it was read.
func (g *guard) allowScript(line, program, digest string) {
	g.w.t.Helper()
	g.decide(program, firewall.Allow)
	g.passes(line)
	g.await(program+" to be read", func() bool { sum := g.kept[program].Proof.SHA256; return sum == digest || digest == "" && sum != "" })
}

// passes runs a command line that is allowed to connect, and is over then.
func (g *guard) passes(line string) {
	g.w.t.Helper()
	program := g.w.runs(line)
	if got := connectsOnce(g.w.t, program); got != "" {
		g.w.t.Errorf("allowed, %s says %q", line, got)
	}
	g.w.end(program)
}

// anotherScript waits for the question about another file of a script, once it
// was read: one that was not answered yet.
func (g *guard) anotherScript(id string, answered ...firewall.PromptID) (p firewall.Prompt) {
	g.w.t.Helper()
	g.await("a question about another file of "+id, func() bool {
		for _, p = range g.prompts {
			if p.Program.ID() == id && strings.HasPrefix(p.Program.File, "sha256:") && !p.Expired && !slices.Contains(answered, p.ID) {
				return true
			}
		}
		return false
	})
	return p
}

func TestAnotherScriptAtAnAllowedPathIsAskedAbout(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	python := world.interpreter("python3")
	number := 0
	for way, put := range replaceScript {
		t.Run(way, func(t *testing.T) {
			number++
			world := world.at(t, g)
			path := world.edition("good"+string(rune('0'+number))+".py", "1")
			line := "python3 " + path
			g.allowScript(line, idOf(path), digest(t, path))
			put(world, path, "2")
			program := world.runs(line)
			program.send(t, "connect")
			p := g.anotherScript(idOf(path))
			want := firewall.Program{
				Kind: firewall.Changed, Path: python, Family: "python", Script: path, File: "sha256:" + digest(t, path),
				Why: "another file at this path since " + time.Now().Format("2 Jan 2006"),
			}
			if p.Program != want {
				t.Errorf("asked about %+v, want %+v", p.Program, want)
			}
			g.once(p, firewall.Block)
			if r := program.next(t); r.Error == "" {
				t.Error("another script has the permission of the one of before")
			}
			program.send(t, "connect")
			g.tell(request{Do: "accept", Program: g.anotherScript(idOf(path), p.ID).Program})
			if r := program.next(t); r.Error != "" {
				t.Errorf("accepted, it says %q", r.Error)
			}
			world.end(program)
			g.unasked(t)
			g.passes(line)
		})
	}
}

// Also what runs already stays allowed when the rules change.
func TestTheSameScriptStaysAllowed(t *testing.T) {
	ways := maps.Clone(touch)
	maps.Copy(ways, replaceScript)
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.edition("good.py", "1")
	line := "python3 " + path
	g.allowScript(line, idOf(path), digest(t, path))
	for way, put := range ways {
		t.Run(way, func(t *testing.T) {
			world := world.at(t, g)
			before := world.runs(line)
			must(t, before, "connect")
			put(world, path, "1")
			g.passes(line)
			g.decide("/usr/bin/other-"+way, firewall.Allow)
			if got := connectsOnce(t, before); got != "" {
				t.Errorf("what ran before says %q", got)
			}
			world.end(before)
			g.unasked(t)
		})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.entries {
		if e.Verdict != firewall.Allow || e.Program.Script != path {
			t.Errorf("logged %+v", e)
		}
	}
}

func TestAScriptReplacedWhileNoEngineRunsIsAskedAbout(t *testing.T) {
	world := newWorld(t)
	s := setup{Identities: filepath.Join(t.TempDir(), "identities")}
	g := world.guard(s)
	same, other := world.edition("same.py", "1"), world.edition("other.py", "1")
	for _, path := range []string{same, other} {
		g.allowScript("python3 "+path, idOf(path), digest(t, path))
	}
	s.Rules = g.setup.Rules
	g.kill()
	world.edition("same.py", "1")
	world.edition("other.py", "2")
	g = world.guard(s)
	g.passes("python3 " + same)
	program := world.runs("python3 " + other)
	program.send(t, "connect")
	g.once(g.anotherScript(idOf(other)), firewall.Block)
	if r := program.next(t); r.Error == "" {
		t.Error("another script connected")
	}
}

func TestAnUpgradedPackagesScriptIsCarriedOver(t *testing.T) {
	world := newWorld(t)
	world.packages()
	const path = "/opt/good/bin/good.py"
	g := world.guard(setup{Databases: true})
	install := func(version string) {
		world.installFile("good", version, path, world.edition("good-"+version, version))
	}
	install("1.0")
	g.allowScript("python3 "+path, idOf(path), "")
	if i := g.kept[idOf(path)]; i.Proof.Package != "dpkg:good" || i.Proof.Version != "1.0" {
		t.Fatalf("it is %+v", i)
	}
	before := world.runs("python3 " + path)
	must(t, before, "connect")
	install("1.1")
	g.passes("python3 " + path)
	g.await("it to be logged", func() bool { return len(g.carried) == 1 })
	if i := g.carried[0]; i.Program != idOf(path) || i.Proof.Version != "1.1" || i.Before.Version != "1.0" {
		t.Errorf("carried over: %+v", i)
	}
	g.decide("/usr/bin/other", firewall.Allow)
	if got := connectsOnce(t, before); got != "" {
		t.Errorf("the version of before, which runs still, says %q", got)
	}
	g.unasked(t)
	// What is not as the package has it is another script, whoever put it there.
	world.mustRun(world.outside("cp", world.edition("evil", "evil"), path))
	program := world.runs("python3 " + path)
	program.send(t, "connect")
	g.once(g.anotherScript(idOf(path)), firewall.Block)
	if r := program.next(t); r.Error == "" {
		t.Error("a script that was tampered with connected")
	}
}

// Who edits a script that runs makes nothing of what runs the script that is
// there now.
func TestAScriptIsProvenAsItWasWhenItBegan(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.edition("good.py", "1")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g.allowScript("python3 "+path, idOf(path), digest(t, path))
	world.edition("good.py", "evil")
	program := world.runs("python3 " + path)
	must(t, program, "exec "+path)
	world.begun(program)
	if err := os.WriteFile(path, good, 0o755); err != nil {
		t.Fatal(err)
	}
	program.send(t, "connect")
	p := g.askedOf(program.cmd.Process.Pid)
	if p.Program.Script != "" || p.Program.Why != "its script was changed since it was started" {
		t.Errorf("asked about %+v", p.Program)
	}
	g.once(p, firewall.Block)
	if r := program.next(t); r.Error == "" {
		t.Error("what runs has the permission of what is there by now")
	}
	g.passes("python3 " + path)
}
