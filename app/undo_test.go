package app

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// last is the newest change.
func (r *rig) last(t testing.TB) ui.Change {
	t.Helper()
	all, err := r.Changes(t.Context(), ui.ChangeQuery{Limit: 1})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0]
}

// everything is what a person decided, as it is exported, without the last ID:
// no ID is given twice.
func (r *rig) everything(t testing.TB) string {
	t.Helper()
	d, err := r.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^last_id = .*\n`).ReplaceAllString(string(d), "")
}

// An answer that is taken back is asked again, also after the engine was
// started anew; taken back once more, it counts again.
func TestAnAnswerIsTakenBack(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	held, p := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, held, firewall.Allow, firewall.ByRule)
	c := r.last(t)
	if c.Way != "answer" || c.User == "" || c.Count != 1 || !c.Undoable || c.What != "answer: allow /usr/bin/curl" {
		t.Errorf("the change is %+v", c)
	}
	rules, err := r.Rules(t.Context())
	if err != nil || rules[0].By != "answer" || rules[0].User != c.User {
		t.Errorf("the rule is %+v, %v", rules, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, r.dir, firewall.ModeAsk, onlyUs)
	if _, err := r.Undo(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	again, _ := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	if _, err := r.Undo(t.Context(), r.last(t).ID); err != nil {
		t.Fatal(err)
	}
	r.decided(t, again, firewall.Allow, firewall.ByRule)
	if _, err := r.Undo(t.Context(), r.last(t).ID); !errors.Is(err, nil) {
		t.Errorf("the undo of the undo: %v", err)
	}
}

// Mode, settings and imports come back as they were, in the engine too.
func TestModeSettingsAndImportAreTakenBack(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	before := r.everything(t)
	undo := func(what string) {
		t.Helper()
		c := r.last(t)
		if _, err := r.Undo(t.Context(), c.ID); err != nil || !strings.Contains(c.What, what) {
			t.Errorf("undo of %q: %v", c.What, err)
		}
		if now := r.everything(t); now != before {
			t.Errorf("after %q was undone there is\n%swant\n%s", c.What, now, before)
		}
	}
	if err := r.SetMode(t.Context(), firewall.ModeLock); err != nil {
		t.Fatal(err)
	}
	undo("mode lock")
	if s, err := r.Status(t.Context()); err != nil || s.Mode != firewall.ModeAllow || !s.FirstRun {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := r.SetSetting(t.Context(), "fail", "open"); err != nil {
		t.Fatal(err)
	}
	undo("setting fail = open")
	if _, err := r.Import(t.Context(), []byte("sallyport = 1\nmode = \"block\"\n[settings]\npatience = \"1m\"\n"+
		"[[rule]]\nprogram = \"/usr/bin/nc\"\nverdict = \"block\"\n"), ui.ImportOptions{Apply: true, Replace: true}); err != nil {
		t.Fatal(err)
	}
	if rules, err := r.Rules(t.Context()); err != nil || rules[0].By != "import" {
		t.Errorf("imported %+v, %v", rules, err)
	}
	if c := r.last(t); !c.Import || c.Way != "import" || !reflect.DeepEqual(c.Before, map[string]string{"mode": "", "patience": ""}) {
		t.Errorf("the change is %+v", c)
	}
	undo("import")
	if r.state.Load().mode != firewall.ModeAllow {
		t.Error("the mode is another")
	}
}

// Several people who take back the same change take it back once.
func TestOneChangeIsTakenBackOnce(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	id := r.last(t).ID
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = link.NewClient(r.socket).Undo(t.Context(), id) })
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else if !errors.Is(err, ui.ErrConflict) || !strings.Contains(err.Error(), "taken back already") {
			t.Error(err)
		}
	}
	if rules, err := r.Rules(t.Context()); done != 1 || len(rules) != 0 || err != nil {
		t.Errorf("%d took it back, rules %v, %v", done, rules, err)
	}
	if _, err := r.Undo(t.Context(), "4711"); !errors.Is(err, ui.ErrNotFound) {
		t.Error(err)
	}
	if _, err := r.Undo(t.Context(), "first"); !errors.Is(err, ui.ErrInvalid) {
		t.Error(err)
	}
}

// A rule whose time was over is no change of a person, and does not come back.
func TestAnEndedRuleIsNoLastChange(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/nc", Verdict: firewall.Block, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	rule, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block, Enabled: true, Until: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	r.expire(firewall.RuleID(rule.ID))
	all, err := r.Changes(t.Context(), ui.ChangeQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Way != "ended" || all[0].Undoable || all[0].User != "" {
		t.Errorf("the end is %+v", all[0])
	}
	if c, ok := ui.LastChange(all); !ok || c.What != "add rule: block /usr/bin/nc" {
		t.Errorf("the last change is %+v", c)
	}
}
