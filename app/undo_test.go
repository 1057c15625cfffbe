package app

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
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
	if err != nil || rules[0].By != "answer" || rules[0].ByUser != c.User {
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

// A mode that ends by itself is taken back as a mode; one that ended is not
// brought back.
func TestAModeForATimeIsTakenBack(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	is := func(want firewall.Mode, ends bool) {
		t.Helper()
		s, err := r.Status(t.Context())
		if err != nil || s.Mode != want || (s.ModeUntil != nil) != ends || r.state.Load().mode != want {
			t.Errorf("the mode is %s until %v, %v, want %s", s.Mode, s.ModeUntil, err, want)
		}
	}
	choose := func(m firewall.Mode) {
		t.Helper()
		if err := r.SetMode(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	undo := func() {
		t.Helper()
		if f, err := r.WhatIf(t.Context(), ui.Proposal{Undo: r.last(t).ID}); err != nil || !f.Complete {
			t.Fatal(f, err)
		}
		if _, err := r.Undo(t.Context(), r.last(t).ID); err != nil {
			t.Fatal(err)
		}
	}
	choose(firewall.ModeBlock)
	if err := r.SetModeFor(t.Context(), firewall.ModeOff, time.Hour); err != nil {
		t.Fatal(err)
	}
	is(firewall.ModeOff, true)
	undo()
	is(firewall.ModeBlock, false)
	if c := r.last(t); c.Undoable || c.Hindered == "" {
		t.Errorf("a mode that ended could be brought back: %+v", c)
	}
	choose(firewall.ModeLearn)
	is(firewall.ModeLearn, true)
	choose(firewall.ModeLock)
	is(firewall.ModeLock, false)
	undo()
	is(firewall.ModeBlock, false)
	if timed, err := r.store.TimedMode(); err != nil || timed != (persistence.TimedMode{}) {
		t.Errorf("a mode for a time is left: %+v, %v", timed, err)
	}
}

// What was accepted of what was learned is proposed again.
func TestAcceptedLessonsAreTakenBack(t *testing.T) {
	r := newRig(t, firewall.ModeLearn, onlyUs)
	for _, to := range []string{"192.0.2.1:443", "192.0.2.1:22"} {
		r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", to)), firewall.Allow, firewall.ByMode)
	}
	before, err := r.Lessons(t.Context())
	if err != nil || len(before) != 1 || len(before[0].Proposals) != 2 {
		t.Fatal(before, err)
	}
	for _, name := range []string{before[0].Proposals[0].ID, "/usr/bin/curl"} {
		if _, err := r.EndLessons(t.Context(), []string{name}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Undo(t.Context(), r.last(t).ID); err != nil {
			t.Fatal(err)
		}
		if after, err := r.Lessons(t.Context()); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("after %s was taken back there is %+v, %v, want %+v", name, after, err, before)
		}
		if rules, err := r.Rules(t.Context()); err != nil || len(rules) != 0 {
			t.Errorf("there are %+v, %v", rules, err)
		}
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
