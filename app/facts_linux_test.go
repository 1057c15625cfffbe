package app

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
	"sallyport.dev/sallyport/ui"
)

// standIn is a program in a folder that anyone may write to, used by a script.
func standIn(t *testing.T) (pid int, program string) {
	t.Helper()
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	program, script := filepath.Join(folder, "talker"), filepath.Join(folder, "backup.sh")
	for file, text := range map[string][]byte{program: shell, script: []byte("#!/bin/sh\nLD_PRELOAD=/usr/lib/none.so \"$1\" -c 'echo $$; read end'\nexit 0\n")} {
		if err := os.WriteFile(file, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(script, program)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	number := make([]byte, 20)
	n, err := out.Read(number)
	if err != nil {
		t.Fatal(err)
	}
	for _, digit := range number[:n] {
		if digit >= '0' && digit <= '9' {
			pid = pid*10 + int(digit-'0')
		}
	}
	go io.Copy(io.Discard, out)
	return pid, program
}

func TestTheSameIsSaidInThePromptAndInTheLog(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	pid, program := standIn(t)
	a := attempt(program, "192.0.2.1:443")
	running, err := process.Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	a.PID, a.Started = pid, running.Started
	c, p := r.ask(t, a)
	for _, want := range []string{"LD_PRELOAD is set: /usr/lib/none.so", "anyone can change what is in " + filepath.Dir(program)} {
		if !slices.Contains(p.Warnings, want) {
			t.Errorf("the prompt does not warn that %s: %q", want, p.Warnings)
		}
	}
	if !slices.Contains(p.Facts, "used by: backup.sh") || p.Parent == "" {
		t.Errorf("the prompt says %q", p.Facts)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	r.decided(t, r.memory.Dial(a), firewall.Allow, firewall.ByRule)
	lines := r.log(t, ui.LogQuery{Program: program})
	if len(lines) != 3 {
		t.Fatalf("log is %+v", lines)
	}
	for _, l := range lines[1:] { // answered, asked
		if !slices.Equal(l.Warnings, p.Warnings) || !slices.Equal(l.Facts, p.Facts) {
			t.Errorf("%s line says %q and %q", l.Verdict, l.Warnings, l.Facts)
		}
	}
	if l := lines[0]; l.Warnings != nil || !slices.Equal(l.Facts, []string{"used by: backup.sh"}) {
		t.Errorf("a flow that nobody was asked about: %q, %q", l.Warnings, l.Facts)
	}
}

func TestNothingIsSaidOfAProcessThatIsGoneOrAnotherProgramByNow(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	ended := exec.Command("/bin/true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	pid, program := standIn(t)
	for name, a := range map[string]firewall.Attempt{"gone": attempt("/bin/true", "192.0.2.1:443"), "another": attempt("/usr/bin/curl", "192.0.2.1:443")} {
		if a.PID = ended.Process.Pid; name == "another" {
			a.PID = pid
		}
		if _, p := r.ask(t, a); p.Warnings != nil || p.Facts != nil || p.Parent != "" || p.User != "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if lines := r.log(t, ui.LogQuery{}); len(lines) != 2 || lines[0].Facts != nil || lines[1].Facts != nil {
		t.Errorf("the log says %+v beside %s", lines, program)
	}
}

func TestWhatAProgramIsSaidToBeIsNotSaidTwice(t *testing.T) {
	f := process.Facts{UID: -1, Namespaces: []string{"mount", "pid"}, File: process.File{Deleted: true}}
	if said := inWords(f, firewall.Program{Kind: firewall.Foreign, Why: "deleted"}, f.Started); said.warnings != nil || len(said.facts) != 1 {
		t.Errorf("%+v", said)
	}
	said := inWords(f, firewall.Program{Kind: firewall.Foreign, Why: "in another mount namespace"}, f.Started)
	if !slices.Equal(said.facts, []string{"runs in: its own pid namespace"}) || len(said.warnings) != 1 || len(f.Namespaces) != 2 {
		t.Errorf("%+v of %q", said, f.Namespaces)
	}
}

func TestAnAnswerMayBeForWhatStartedTheProgramOnly(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	pid, program := standIn(t)
	script := filepath.Join(filepath.Dir(program), "backup.sh")
	a := attempt(program, "192.0.2.1:443")
	a.PID = pid
	c, p := r.ask(t, a)
	if p.StartedBy != script {
		t.Errorf("started by %q, want %s", p.StartedBy, script)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, Scope: "starter"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	rules, err := r.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if made := rules[len(rules)-1]; made.Program != program || made.StartedBy != script || made.Remote+made.Host != "" {
		t.Errorf("the rule is %+v", made)
	}
	again := a
	again.StartedBy = script // as a backend says now that a rule depends on it
	r.decided(t, r.memory.Dial(again), firewall.Allow, firewall.ByRule)

	alone := attempt(program, "192.0.2.1:443")
	_, p = r.ask(t, alone)
	for _, lasts := range []string{"always", "once"} {
		err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, Scope: "starter", For: lasts})
		if !errors.Is(err, ui.ErrInvalid) || !errors.Is(err, firewall.ErrNoStarter) {
			t.Errorf("an answer for what is not known, %s: %v", lasts, err)
		}
	}
}

func TestTheLogSaysForWhomTheLocalResolverAsks(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	resolver, poser := attempt("/usr/lib/systemd/systemd-resolved", "192.0.2.53:53"), attempt("/tmp/systemd-resolved", "192.0.2.53:53")
	for _, a := range []firewall.Attempt{resolver, poser} {
		r.decided(t, r.memory.Dial(a), firewall.Allow, firewall.ByMode)
	}
	lines := r.log(t, ui.LogQuery{})
	if len(lines) != 2 || lines[0].Facts != nil || lines[0].Name != "systemd-resolved" {
		t.Errorf("what only has its name: %+v", lines)
	}
	if l := lines[1]; l.Name != "systemd-resolved (local resolver)" || !slices.Equal(l.Facts, []string{"asks for: other programs, which of them cannot be known"}) {
		t.Errorf("the resolver: %+v", l)
	}
}

// A process names its file as it sees it.
func TestAProgramInAContainerHasItsFacts(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	pid, program := standIn(t)
	a := attempt(firewall.ContainerPath("docker-3f2a1b4c5d6e", program), "192.0.2.1:443")
	a.PID = pid
	if _, p := r.ask(t, a); !slices.Contains(p.Facts, "used by: backup.sh") || p.About != "" || p.OnlyOnce {
		t.Errorf("%+v", p)
	}
}

func TestATunnelOfTheKernelIsNamed(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	a := attempt("", "192.0.2.1:0")
	a.Program, a.Protocol, a.UID = firewall.Program{Kind: firewall.Kernel}, firewall.ESP, -1
	want := []string{"tunnel: IPsec, whose content is other programs'"}
	_, p := r.ask(t, a)
	if !slices.Equal(p.Facts, want) {
		t.Errorf("the prompt says %q", p.Facts)
	}
	if lines := r.log(t, ui.LogQuery{}); len(lines) != 1 || !slices.Equal(lines[0].Facts, want) {
		t.Errorf("the log says %+v", lines)
	}
}
