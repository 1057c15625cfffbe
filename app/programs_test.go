package app

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

const curlPath = "/usr/bin/curl-of-a-test"

var curlProgram = firewall.Program{Kind: firewall.Executable, Path: curlPath}

// meet has the engine meet a file with this content and stamp at curlPath, and
// returns as which program it counts once it was read.
func (r *rig) meet(t *testing.T, content string, changed time.Time) firewall.Program {
	t.Helper()
	return r.meetAs(t, curlProgram, content, changed)
}

// meetAs is meet for another program.
func (r *rig) meetAs(t *testing.T, met firewall.Program, content string, changed time.Time) firewall.Program {
	t.Helper()
	stamp := firewall.Stamp{Inode: 1, Changed: changed.UnixNano()}
	read := func(_ context.Context, f func(*io.SectionReader) error) error {
		return f(io.NewSectionReader(strings.NewReader(content), 0, int64(len(content))))
	}
	_, settled := r.prover.Identify(met, stamp, read)
	if settled != nil {
		<-settled
	}
	p, _ := r.prover.Identify(met, stamp, read)
	return p
}

func attemptBy(p firewall.Program) firewall.Attempt {
	a := attempt(p.Path, "192.0.2.1:443")
	a.Program = p
	return a
}

// stored waits until what the store knows of curlPath is as it should be.
func (r *rig) stored(t *testing.T, what string, is func(firewall.Identity) bool) {
	t.Helper()
	r.storedOf(t, curlPath, what, is)
}

// storedOf is stored for another program.
func (r *rig) storedOf(t *testing.T, program, what string, is func(firewall.Identity) bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		all, err := r.store.Identities()
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(all, func(i firewall.Identity) bool { return i.Program == program }); i >= 0 && is(all[i]) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: stored are %+v", what, all)
		}
	}
}

var (
	november = time.Date(2026, 11, 12, 12, 0, 0, 0, time.Local)
	december = november.AddDate(0, 1, 0)
)

func TestAnotherFileIsAskedAboutAndAllowedAsBefore(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	first := r.meet(t, "8.1", november.AddDate(-1, 0, 0))
	c, p := r.ask(t, attemptBy(first))
	if p.Changed || p.About != "" {
		t.Errorf("met for the first time: %+v", p)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, Scope: "port"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	r.stored(t, "the file that asked", func(i firewall.Identity) bool { return i.Proof.SHA256 != "" })
	before := r.state.Load().rules.Len()

	c, p = r.ask(t, attemptBy(r.meet(t, "8.2", november)))
	if !p.Changed || p.Program != curlPath || p.About != "another file at this path since 12 Nov 2026" {
		t.Errorf("asked %+v", p)
	}
	for _, a := range []ui.Answer{{Scope: "host"}, {For: "1h"}, {For: "exit"}} {
		a.ID, a.Verdict = p.ID, firewall.Allow
		if err := r.Answer(t.Context(), a); !errors.Is(err, ui.ErrInvalid) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: "always"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	if now := r.state.Load().rules.Len(); now != before {
		t.Errorf("the rule of before was enough, but there are %d rules more", now-before)
	}
	if again := r.meet(t, "8.2", november); again.Kind != firewall.Executable {
		t.Errorf("allowed, it counts as %+v", again)
	}
	if lines := r.log(t, ui.LogQuery{Text: "as before"}); len(lines) != 1 || lines[0].Kind != "change" {
		t.Errorf("logged %+v", lines)
	}
	if old := r.meet(t, "8.1", december); old.Kind != firewall.Changed {
		t.Errorf("the version of before counts as %+v", old)
	}
}

// One answer is for the script, whichever of its interpreters asked.
func TestAnEditedScriptIsAllowedAsBeforeWhateverRunsIt(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	old := firewall.Program{Kind: firewall.Interpreted, Path: "/usr/bin/python3.11", Family: "python", Script: "/home/u/backup.py"}
	new := old
	new.Path = "/usr/bin/python3.12"
	c, p := r.ask(t, attemptBy(r.meetAs(t, old, "1", november.AddDate(-1, 0, 0))))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	r.storedOf(t, old.ID(), "the script that asked", func(i firewall.Identity) bool { return i.Proof.SHA256 != "" })
	rules := r.state.Load().rules.Len()

	c, p = r.ask(t, attemptBy(r.meetAs(t, old, "2", november)))
	if !p.Changed || p.Program != "script:python:/home/u/backup.py" || p.Name != "backup.py (python)" || p.About != "another file at this path since 12 Nov 2026" {
		t.Errorf("asked %+v", p)
	}
	other, _ := r.ask(t, attemptBy(r.meetAs(t, new, "2", november)))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, Scope: "host"}); !errors.Is(err, ui.ErrInvalid) {
		t.Errorf("only for a host: %v", err)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: "always"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	r.decided(t, other, firewall.Allow, firewall.ByRule)
	if now := r.state.Load().rules.Len(); now != rules {
		t.Errorf("the rule of before was enough, but there are %d rules more", now-rules)
	}
	for _, met := range []firewall.Program{old, new} {
		if again := r.meetAs(t, met, "2", november); again != met {
			t.Errorf("allowed, it counts as %+v", again)
		}
	}
	known, err := r.Identities(t.Context())
	if err != nil || len(known) != 1 || known[0].Program != old.ID() || known[0].About != "" {
		t.Errorf("listed: %+v, %v", known, err)
	}
	if lines := r.log(t, ui.LogQuery{Text: "allow /home/u/backup.py as before"}); len(lines) != 1 {
		t.Errorf("logged %+v", lines)
	}
}

func TestAnotherFileThatIsBlockedStaysAnother(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	r.meet(t, "8.1", november.AddDate(-1, 0, 0))
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	r.stored(t, "the file that was there", func(i firewall.Identity) bool { return i.Proof.SHA256 != "" })
	evil := r.meet(t, "evil", november)
	c, p := r.ask(t, attemptBy(evil))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Block, For: "1h", Scope: "port"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Block, firewall.ByRule)
	if again := r.meet(t, "evil", november); again != evil {
		t.Errorf("blocked, it counts as %+v", again)
	}
	// Who makes a rule that allows the path means the file that is there.
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Port: 80, Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if again := r.meet(t, "evil", november); again.Kind != firewall.Executable {
		t.Errorf("allowed, it counts as %+v", again)
	}
}

// A large file takes a while to read.
func TestAQuestionAboutAFileThatIsTheSameClosesByItself(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	r.meet(t, "8.1", november)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	r.stored(t, "the file", func(i firewall.Identity) bool { return i.Proof.SHA256 != "" })
	goOn := make(chan struct{})
	read := func(_ context.Context, f func(*io.SectionReader) error) error {
		<-goOn
		return f(io.NewSectionReader(strings.NewReader("8.1"), 0, 3))
	}
	stamp := firewall.Stamp{Inode: 2, Changed: december.UnixNano()}
	first, settled := r.prover.Identify(curlProgram, stamp, read)
	c, p := r.ask(t, attemptBy(first))
	if !p.Changed || p.About != "changed, being checked" {
		t.Errorf("asked %+v", p)
	}
	close(goOn)
	<-settled
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	if ps, err := r.Prompts(t.Context()); err != nil || len(ps) > 0 {
		t.Errorf("still open: %+v, %v", ps, err)
	}
}

func TestWhatAFileIsOutlivesTheEngine(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	r.meet(t, "8.1", november)
	rule, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Verdict: firewall.Allow, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	r.stored(t, "the file", func(i firewall.Identity) bool { return i.Proof.SHA256 != "" })
	document, err := r.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Import(t.Context(), document, ui.ImportOptions{Apply: true, Replace: true}); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, r.dir, firewall.ModeAsk, onlyUs)
	if p := r.meet(t, "evil", december); p.Kind != firewall.Changed {
		t.Errorf("replaced meanwhile, it counts as %+v", p)
	}
	if p := r.meet(t, "8.1", december.Add(time.Hour)); p.Kind != firewall.Executable {
		t.Errorf("put back, it counts as %+v", p)
	}
	if err := r.RemoveRule(t.Context(), rule.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, r.dir, firewall.ModeAsk, onlyUs)
	if all, err := r.store.Identities(); err != nil || len(all) > 0 {
		t.Errorf("no rule names it, but it is remembered: %+v, %v", all, err)
	}
}

func TestWhoEditsARuleDoesNotAcceptAnotherFile(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	r.meet(t, "8.1", november.AddDate(-1, 0, 0))
	rule, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Verdict: firewall.Allow, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	r.stored(t, "the file that was there", func(i firewall.Identity) bool { return i.Proof.SHA256 != "" })
	evil := r.meet(t, "evil", november)
	for _, step := range []struct {
		what   string
		change func()
		want   firewall.ProgramKind
	}{
		{"with a note", func() { rule.Note = "mine" }, firewall.Changed},
		{"disabled", func() { rule.Enabled = false }, firewall.Changed},
		{"enabled", func() { rule.Enabled = true }, firewall.Executable},
	} {
		step.change()
		if err := r.ChangeRule(t.Context(), rule); err != nil {
			t.Fatal(err)
		}
		if p := r.meet(t, "evil", november); p.Kind != step.want {
			t.Errorf("%s, %+v counts as %+v", step.what, evil, p)
		}
	}
}
