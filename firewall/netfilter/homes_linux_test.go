package netfilter_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// home is the folder of a person who is not root, with an interpreter of their
// own in it.
func (w *world) home(name string) (home, own string) {
	w.t.Helper()
	for _, folder := range []string{filepath.Dir(w.dir), w.dir} { // anybody may pass
		if err := os.Chmod(folder, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	home = filepath.Join(w.dir, name)
	own = filepath.Join(home, ".pyenv/versions/3.11/bin/python3.11")
	content, err := os.ReadFile(w.interpreter("python3"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		w.t.Fatal(err)
	}
	relative, err := filepath.Rel(w.dir, own)
	if err != nil {
		w.t.Fatal(err)
	}
	w.executable(relative, content)
	w.mustRun(w.outside("chown", "-R", "1000:1000", home))
	return home, own
}

// as prefixes a command line with what runs it as an ordinary person.
const asPerson = "setpriv --reuid 1000 --regid 1000 --clear-groups "

// refused runs a command line that is asked about, says no once, and returns
// the question.
func (g *guard) refused(line string) firewall.Prompt {
	g.w.t.Helper()
	program := g.w.runs(line)
	program.send(g.w.t, "connect")
	p := g.askedOf(program.cmd.Process.Pid)
	for p.Program.Kind == firewall.Changed && !strings.HasPrefix(p.Program.File, "sha256:") {
		p = g.anotherScript(p.Program.ID())
	}
	g.once(p, firewall.Block)
	if r := program.next(g.w.t); r.Error == "" {
		g.w.t.Errorf("%s connected", line)
	}
	g.w.end(program)
	return p
}

// An interpreter that nobody met before is not known to be one: what runs it
// then is answered once only, and is a script from the next time on.
func TestAnInterpreterInAHomeFolderIsAskedAboutByItsScripts(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	home, own := world.home("u")
	good, other := filepath.Join(home, "good.py"), filepath.Join(home, "other.py")
	world.edition("u/good.py", "1")
	world.edition("u/other.py", "1")
	run := asPerson + own + " "
	if p := g.refused(run + good).Program; p.ID() != "" || p.Why != "an interpreter that was not known when it started" {
		t.Errorf("met first, asked about %+v", p)
	}
	id := "script:" + own + ":" + good
	want := firewall.Program{Kind: firewall.Interpreted, Path: own, Family: "python", Script: good, Replaceable: true}
	if p := g.refused(run + good).Program; p != want || p.ID() != id {
		t.Errorf("asked about %+v", p)
	}
	g.decide("script:python:"+good, firewall.Allow) // by interpreters that only root can replace
	g.refused(run + good)
	g.passes("python3 " + good)
	g.allowScript(run+good, id, "")
	if p := g.refused(run + other).Program; p.Script != other || !p.Replaceable {
		t.Errorf("another script: asked about %+v", p)
	}
	if p := g.refused(run + "-c exec(open('" + good + "').read())").Program; p.Script != "" || p.Lasting() || p.Path != own {
		t.Errorf("inline code: asked about %+v", p)
	}
	_, evil := world.home("v")
	g.refused(asPerson + evil + " " + good)
	if p := g.refused(asPerson + evil + " " + good).Program; p.Path != evil || p.Script != good {
		t.Errorf("by another interpreter: asked about %+v", p)
	}
	g.passes(run + good)
}

func TestAReplacedInterpreterInAHomeFolderHasNoPermission(t *testing.T) {
	world := newWorld(t)
	s := setup{Identities: filepath.Join(t.TempDir(), "identities")}
	g := world.guard(s)
	home, own := world.home("u")
	world.edition("u/good.py", "1")
	good := filepath.Join(home, "good.py")
	run := asPerson + own + " " + good
	g.refused(run)
	id := "script:" + own + ":" + good
	g.allowScript(run, id, "")
	s.Rules = g.setup.Rules
	// Rules name it: the next engine tells its scripts apart before they run.
	g.stop()
	g = world.guard(s)
	g.passes(run)
	g.unasked(t)
	since := "another script, or interpreter of it, since " + time.Now().Format("2 Jan 2006")
	content, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []struct {
		name       string
		put, undo  func()
		firstKnown bool
	}{
		{"the interpreter", func() { world.rename(world.executable("evil", append(content, 0)), own) }, func() { world.rename(world.executable("back", content), own) }, false},
		{"the script", func() { world.edition("u/good.py", "2") }, func() { world.edition("u/good.py", "1") }, true},
	} {
		what.put()
		if !what.firstKnown {
			g.refused(run) // another file, of which nobody knew that it is an interpreter
		}
		if p := g.refused(run).Program; p.Kind != firewall.Changed || p.ID() != id || p.Why != since {
			t.Errorf("%s is another: asked about %+v", what.name, p)
		}
		what.undo()
		if !what.firstKnown {
			g.refused(run)
		}
		g.passes(run)
	}
	world.edition("u/good.py", "2")
	program := world.runs(run)
	program.send(t, "connect")
	g.tell(request{Do: "accept", Program: g.anotherScript(id).Program})
	if r := program.next(t); r.Error != "" {
		t.Errorf("accepted, it says %q", r.Error)
	}
	g.unasked(t)
}
