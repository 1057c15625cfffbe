package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

const curlPath = "/usr/bin/curl-of-a-test"

// meet has the engine meet a file with this content and stamp at curlPath, and
// returns as which program it counts once it was read.
func (r *rig) meet(t *testing.T, content string, changed time.Time) firewall.Program {
	t.Helper()
	stamp := firewall.Stamp{Inode: 1, Changed: changed.UnixNano()}
	read := func(_ context.Context, f func(io.Reader) error) error { return f(strings.NewReader(content)) }
	_, settled := r.prover.Identify(firewall.Program{Path: curlPath}, stamp, read)
	if settled != nil {
		<-settled
	}
	p, _ := r.prover.Identify(firewall.Program{Path: curlPath}, stamp, read)
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
	for end := time.Now().Add(10 * time.Second); ; {
		all, err := r.store.Identities()
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(all, func(i firewall.Identity) bool { return i.Path == curlPath }); i >= 0 && is(all[i]) {
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
	read := func(_ context.Context, f func(io.Reader) error) error {
		<-goOn
		return f(strings.NewReader("8.1"))
	}
	stamp := firewall.Stamp{Inode: 2, Changed: december.UnixNano()}
	first, settled := r.prover.Identify(firewall.Program{Path: curlPath}, stamp, read)
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
	if _, err := r.Import(t.Context(), document, true); err != nil {
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

// carriedRig is a rig in which version 8.2 of a package took the place of 8.1.
func carriedRig(t *testing.T) (*rig, firewall.Identity) {
	t.Helper()
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	proof := func(digit, version string) firewall.Proof {
		return firewall.Proof{SHA256: strings.Repeat(digit, 64), Package: "dpkg:curl", Version: version}
	}
	i := firewall.Identity{
		Path: curlPath, Since: november, Stamp: firewall.Stamp{Inode: 1, Changed: november.UnixNano()},
		Proof: proof("2", "8.2"), Before: proof("1", "8.1"),
	}
	store, _, err := persistence.Open(filepath.Join(r.dir, "data", databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.PutIdentities([]firewall.Identity{i}, nil), store.Close()); err != nil {
		t.Fatal(err)
	}
	return openRig(t, r.dir, firewall.ModeAsk, onlyUs), i
}

func TestACarriedOverVersionIsLoggedAndUndone(t *testing.T) {
	r, i := carriedRig(t)
	r.carried(i)
	lines := r.log(t, ui.LogQuery{Text: "carried over"})
	if len(lines) != 1 || lines[0].Note != "carried over: curl-of-a-test 8.1 → 8.2, package dpkg:curl" || lines[0].Carried != curlPath {
		t.Fatalf("logged %+v", lines)
	}
	if p := r.meet(t, "8.2", november); p.Kind != firewall.Executable {
		t.Errorf("carried over, it counts as %+v", p)
	}
	if err := r.UndoCarried(t.Context(), lines[0].Carried); err != nil {
		t.Fatal(err)
	}
	if p := r.meet(t, "8.2", november); p.Kind != firewall.Changed {
		t.Errorf("undone, it counts as %+v", p)
	}
	r.stored(t, "undone", func(i firewall.Identity) bool { return i.Strict && i.Proof.Version == "8.1" })
	if err := r.UndoCarried(t.Context(), curlPath); !errors.Is(err, ui.ErrNotFound) {
		t.Errorf("undone twice: %v", err)
	}
}

func TestAVersionedPathHasTheRulesOfTheOneBeforeUntilThatIsUndone(t *testing.T) {
	r, before := carriedRig(t)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: curlPath, Port: 22, Verdict: firewall.Block, Enabled: true, Note: "no shell"}); err != nil {
		t.Fatal(err)
	}
	const path = curlPath + "-9"
	rules := r.state.Load().rules.Len()
	p := firewall.Program{Kind: firewall.Executable, Path: path}
	c, _ := r.ask(t, attemptBy(p))
	r.moved(curlPath, firewall.Identity{
		Path: path, From: curlPath, Since: time.Now(), Stamp: before.Stamp, Before: before.Proof,
		Proof: firewall.Proof{SHA256: strings.Repeat("9", 64), Package: "dpkg:curl", Version: "9"},
	})
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	if now := r.state.Load().rules.Len(); now != rules+2 {
		t.Errorf("%d rules count for it", now-rules)
	}
	own, err := r.AddRule(t.Context(), ui.Rule{Program: path, Port: 80, Verdict: firewall.Block, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	lines := r.log(t, ui.LogQuery{Text: "carried over"})
	if len(lines) != 1 || lines[0].Carried != path {
		t.Fatalf("logged %+v", lines)
	}
	if err := r.UndoCarried(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, kept := r.state.Load().rules.Rule(firewall.RuleID(own.ID)); !kept || r.state.Load().rules.Len() != rules+1 {
		t.Errorf("undone, there are %d rules more", r.state.Load().rules.Len()-rules)
	}
	r.ask(t, attemptBy(p))
}

func TestProgramsAreListedAndUndoneByCommand(t *testing.T) {
	r, _ := carriedRig(t)
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		e := &env{out: &out, err: &out}
		root := newRoot(e)
		root.SetArgs(append(args, "--socket", r.socket))
		if err := root.ExecuteContext(link.WithPeer(t.Context(), link.Peer{})); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	for _, want := range []string{curlPath, "12 Nov 2026", "dpkg:curl", "8.2", "carried over from 8.1"} {
		if got := run("programs"); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if got := run("programs", "list", "--json"); !strings.Contains(got, `"package":"dpkg:curl","version":"8.2"`) || !strings.Contains(got, `"carried":true,"version_before":"8.1"`) {
		t.Error(got)
	}
	run("programs", "undo", curlPath)
	if got := run("programs"); !strings.Contains(got, "another file at this path since 12 Nov 2026") {
		t.Errorf("undone:\n%s", got)
	}
}
