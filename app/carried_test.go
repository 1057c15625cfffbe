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
		Program: curlPath, Since: november, Stamp: firewall.Stamp{Inode: 1, Changed: november.UnixNano()},
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
		Program: path, From: curlPath, Since: time.Now(), Stamp: before.Stamp, Before: before.Proof,
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

func TestWhatLooksLikeAnotherVersionIsSaidToBeUnproven(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	const old, anew = "/home/a/Web-1.2.3.AppImage", "/home/a/Web-1.2.4.AppImage"
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: old, Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	read := func(_ context.Context, f func(*io.SectionReader) error) error {
		return f(io.NewSectionReader(strings.NewReader("1"), 0, 1))
	}
	r.prover.Identify(firewall.Program{Kind: firewall.Executable, Path: old}, firewall.Stamp{Inode: 1, Changed: 1}, read)
	for path, want := range map[string]bool{anew: true, "/home/a/Other-1.2.4.AppImage": false} {
		_, p := r.ask(t, attempt(path, "192.0.2.1:443"))
		said := slices.Contains(p.Warnings, "it looks like another version of "+old+", but nothing proves that")
		if p.Program != path || said != want {
			t.Errorf("%s: asked %+v", path, p)
		}
	}
}
