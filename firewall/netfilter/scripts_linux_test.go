package netfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// What scripts are made of here: each connects once for every line that it
// reads, and says how it went.
const (
	pythonTalks = `import json, os, socket, sys
for line in iter(sys.stdin.readline, ""):
    if line.startswith("exec "):
        print(json.dumps({"Command": "exec", "Error": ""}), flush=True)
        os.execv(sys.executable, ["python3"] + line.split()[1:])
    try:
        socket.create_connection(("10.77.0.2", 7000), timeout=25).close()
        error = ""
    except OSError as e:
        error = str(e)
    print(json.dumps({"Command": "connect", "Error": error}), flush=True)
`
	perlTalks = `use IO::Socket::INET; $| = 1;
while (<STDIN>) {
    my $s = IO::Socket::INET->new(PeerAddr => "10.77.0.2", PeerPort => 7000, Timeout => 25);
    print '{"Error": "', ($s ? "" : "refused"), "\"}\n";
}
`
	bashTalks = `while read -r line; do
    if (exec 3<>/dev/tcp/10.77.0.2/7000) 2>/dev/null; then echo '{"Error": ""}'; else echo '{"Error": "refused"}'; fi
done
`
)

// interpreter is the path of the executable behind an interpreter's name.
func (w *world) interpreter(name string) string {
	w.t.Helper()
	path, err := filepath.EvalSymlinks("/usr/bin/" + name)
	if err != nil {
		w.t.Fatalf("these tests need %s: %v", name, err)
	}
	return path
}

// askedOf waits for the question about a process.
func (g *guard) askedOf(pid int) (p firewall.Prompt) {
	g.w.t.Helper()
	g.await(fmt.Sprintf("a question about process %d", pid), func() bool {
		for _, p = range g.prompts {
			if p.First.PID == pid && !p.Expired {
				return true
			}
		}
		return false
	})
	return p
}

// runs starts a command line under the firewall, with the interpreters that
// the system has.
func (w *world) runs(line string) *talker {
	w.t.Helper()
	words := strings.Fields(line)
	c := w.inside(words[0], words[1:]...)
	c.Env = append(os.Environ(), "PATH=/usr/bin:/bin")
	return startChild[result](w.t, c, nil)
}

// connectsOnce has a running script connect, and says how it went.
func connectsOnce(t *testing.T, program *talker) string {
	t.Helper()
	return do(t, program, "connect").Error
}

func TestTheScriptIsTheSubjectNotItsInterpreter(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	dir := world.dir
	python, perl, bash := world.interpreter("python3"), world.interpreter("perl"), world.interpreter("bash")
	world.executable("shebang.py", []byte("#!/usr/bin/env python3\n"+pythonTalks))
	world.executable("direct.pl", []byte("#!/usr/bin/perl -w\n"+perlTalks))
	world.executable("direct.sh", []byte("#!/bin/bash\n"+bashTalks))
	world.executable("plain.py", []byte(pythonTalks))
	world.executable("disguised.pl", []byte(`$0 = "`+dir+`/plain.py";`+perlTalks))
	world.executable("overwrites.py", []byte(`import ctypes
args = open("/proc/self/cmdline", "rb").read()
start = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[45])
ctypes.memmove(start, b"python3\0`+dir+`/plain.py".ljust(len(args), b"\0")[:len(args)], len(args))
`+pythonTalks))
	if err := os.Symlink("plain.py", filepath.Join(dir, "link.py")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line, interpreter, script, why string
		says                           string // on standard input, before it is asked to connect
	}{
		{dir + "/shebang.py", python, "shebang.py", "", ""},
		{"env -C " + dir + " ./shebang.py", python, "shebang.py", "", ""},
		{dir + "/direct.pl", perl, "direct.pl", "", ""},
		{dir + "/direct.sh", bash, "direct.sh", "", ""},
		{"python3 " + dir + "/plain.py", python, "plain.py", "", ""},
		{"env -C " + dir + " python3 -u plain.py -c x", python, "plain.py", "", ""},
		{"env -C " + dir + "/.. python3 " + filepath.Base(dir) + "/./plain.py", python, "plain.py", "", ""},
		{"env -C / python3 " + strings.Repeat("../", 9) + dir[1:] + "/link.py", python, "plain.py", "", ""},
		{"bash " + dir + "/direct.sh", bash, "direct.sh", "", ""},
		{"perl " + dir + "/disguised.pl", perl, "disguised.pl", "", ""},
		{"python3 " + dir + "/overwrites.py some more room for another name some more room for another name some more room for another name", python, "overwrites.py", "", ""},
		{"python3 -c exec(open('" + dir + "/plain.py').read())", python, "", "inline code", ""},
		{"bash -c source${IFS}" + dir + "/direct.sh " + dir + "/plain.py", bash, "", "inline code", ""},
		{"bash", bash, "", "code from standard input", strings.ReplaceAll(strings.TrimSpace(bashTalks), "\n", " ")},
		{"env -C " + dir + " python3 -m plain", python, "", "module plain, wherever it is found", ""},
		{"perl -I. " + dir + "/direct.pl", perl, "", "code that is loaded beside the script", ""},
		{"python3 /proc/self/fd/../../../" + dir + "/plain.py", python, "", "its script is no file on disk", ""},
	} {
		t.Run(strings.ReplaceAll(test.line, dir, ""), func(t *testing.T) {
			world := world.at(t, g)
			program := world.runs(test.line)
			if test.says != "" {
				program.send(t, test.says)
			}
			program.send(t, "connect")
			g.await("a question", func() bool { return len(g.prompts) == 1 && !g.prompts[0].Expired })
			p := g.prompts[0]
			if got := p.Program; got.Kind != firewall.Interpreted || got.Path != test.interpreter || got.Why != test.why || test.script != "" && got.Script != filepath.Join(dir, test.script) || test.script == "" && got.Script != "" {
				t.Errorf("asked about %+v", got)
			}
			if p.Program.Lasting() != (test.script != "") {
				t.Errorf("%q may be remembered: %v", p.Program.ID(), p.Program.Lasting())
			}
			g.once(p, firewall.Allow)
			if r := program.next(t); r.Error != "" {
				t.Errorf("allowed, but %s", r.Error)
			}
			world.end(program)
			g.await("no question", func() bool { return len(g.prompts) == 0 })
		})
	}
}

func TestWhatOneScriptMayAnotherMayNot(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	good, bad := world.executable("good.py", []byte(pythonTalks)), world.executable("bad.py", []byte(pythonTalks))
	rule := "script:python:" + good
	g.decide(rule, firewall.Allow)
	allowed := world.runs("python3 " + good)
	if got := connectsOnce(t, allowed); got != "" {
		t.Fatalf("allowed, but %s", got)
	}
	g.unasked(t)
	for _, line := range []string{"python3 " + bad, "python3 -c exec(open('" + good + "').read())"} {
		program := world.runs(line)
		program.send(t, "connect")
		g.once(g.askedOf(program.cmd.Process.Pid), firewall.Block)
		if r := program.next(t); r.Error == "" {
			t.Errorf("%s has another's permission", line)
		}
	}
	// The same process becomes another script, and then the first again.
	must(t, allowed, "exec "+bad)
	allowed.send(t, "connect")
	p := g.askedOf(allowed.cmd.Process.Pid)
	if p.Program.Script != bad {
		t.Errorf("asked about %+v", p.Program)
	}
	g.once(p, firewall.Block)
	if r := allowed.next(t); r.Error == "" {
		t.Error("the next script of the same process has its permission")
	}
	must(t, allowed, "exec "+good)
	if got := connectsOnce(t, allowed); got != "" {
		t.Errorf("allowed again, but %s", got)
	}
	g.rule(rule, firewall.Block)
	python := world.interpreter("python3")
	g.decide(python, firewall.Allow)
	if got := connectsOnce(t, allowed); got == "" {
		t.Error("its own rule blocks it, but it connected by its interpreter's")
	}
	for _, line := range []string{"python3 " + bad, "python3 -c exec(open('" + good + "').read())"} {
		if got := connectsOnce(t, world.runs(line)); got != "" {
			t.Errorf("%s: its interpreter is allowed, but %s", line, got)
		}
	}
}

func TestADecidedScriptStaysInTheKernel(t *testing.T) {
	const connections = 25
	world := newWorld(t)
	g := world.guard(setup{})
	script := world.executable("good.py", []byte(pythonTalks))
	shell := world.executable("good.sh", []byte(bashTalks))
	for _, rule := range []string{"script:python:" + script, "script:sh:" + shell} {
		g.decide(rule, firewall.Allow)
	}
	for _, line := range []string{"python3 " + script, "bash " + shell} { // the shell forks for each
		program := world.runs(line)
		trips := func(most uint64) {
			t.Helper()
			before := world.queued()
			for range connections {
				if got := connectsOnce(t, program); got != "" {
					t.Fatalf("%s: %s", line, got)
				}
			}
			if trips := world.queued() - before; trips > most {
				t.Errorf("%s: %d connections made %d trips to the engine, want at most %d", line, connections, trips, most)
			}
		}
		trips(1)
		g.decide("/usr/bin/other-"+program.cmd.Args[len(program.cmd.Args)-1][1:2], firewall.Allow)
		trips(0)
	}
	program := world.runs("python3 " + script)
	must(t, program, "connect")
	g.kill()
	if got := connectsOnce(t, program); got != "" {
		t.Errorf("after a crash: %s", got)
	}
	g = world.guard(g.setup)
	before := world.queued()
	if got := connectsOnce(t, program); got != "" || world.queued() != before {
		t.Errorf("with the next engine: %q, %d trips", got, world.queued()-before)
	}
	g.unasked(t)
}

// Who names interpreters only is decided about in the kernel from the first
// attempt on, also without an engine.
func TestAnInterpretersRuleHoldsAfterACrash(t *testing.T) {
	world := newWorld(t)
	script := world.executable("good.py", []byte(pythonTalks))
	python, perl := world.interpreter("python3"), world.interpreter("perl")
	g := world.guard(setup{FailOpen: true, Rules: []firewall.Rule{
		{ID: "python", Program: python, Verdict: firewall.Allow}, {ID: "perl", Program: perl, Verdict: firewall.Block},
	}})
	before := world.queued()
	for range 2 {
		if got := connectsOnce(t, world.runs("python3 "+script)); got != "" {
			t.Errorf("its interpreter is allowed, but %s", got)
		}
		if got := connectsOnce(t, world.runs("perl "+world.executable("bad.pl", []byte(perlTalks)))); got == "" {
			t.Error("its interpreter is blocked, but it connected")
		}
		if trips := world.queued() - before; trips > 0 {
			t.Errorf("%d trips to the engine, want none", trips)
		}
		g.kill()
	}
	// A rule for a script makes each of them be judged by itself.
	g = world.guard(g.setup)
	g.decide("script:python:"+script, firewall.Block)
	if got := connectsOnce(t, world.runs("python3 "+script)); got == "" {
		t.Error("its own rule blocks it, but it connected by its interpreter's")
	}
}

// Scripts that are gone, and what the kernel knew them by is another's, before
// anybody can ask about them.
func TestAHundredShortScriptsAreNamedRightly(t *testing.T) {
	const scripts = 100
	world := newWorld(t)
	g := world.guard(setup{Rules: []firewall.Rule{{ID: "all", Program: firewall.AnyProgram, Verdict: firewall.Allow}}})
	ports := make(map[uint16]string)
	if err := g.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i := range scripts {
		port := uint16(7300 + i)
		name, text := fmt.Sprintf("short-%d.pl", i), fmt.Sprintf(`use Socket; socket(S, PF_INET, SOCK_DGRAM, 0); send(S, "x", 0, sockaddr_in(%d, inet_aton("10.77.0.2")));`, port)
		ports[port] = world.executable(name, []byte("#!/usr/bin/perl\n"+text))
		if err := world.inside(ports[port]).Run(); err != nil {
			t.Error(err)
		}
	}
	if err := g.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	named, why := make(map[uint16]string), make(map[uint16]string)
	g.await("the log to name all", func() bool {
		for _, e := range g.entries {
			if _, ok := ports[e.Remote.Port()]; ok {
				named[e.Remote.Port()], why[e.Remote.Port()] = e.Program.Script, e.Program.Why
			}
		}
		return len(named) == scripts
	})
	for port, script := range ports {
		if named[port] != script {
			t.Errorf("%s is called %q: %s", script, named[port], why[port])
		}
	}
}
