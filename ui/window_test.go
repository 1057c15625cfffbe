package ui_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

func TestActivityShowsTheNewestFirstAndWhatComes(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 2000), ui.ViewActivity)
	d.sees("firefox")
	d.sees("Firewall on")
	d.sees("Alerts on")
	d.sees("18\u202f204")
	d.picture("activity-dark")
	d.control.Add(ui.LogLine{Kind: "flow", Time: uitest.Start, Program: "/opt/new/arrival", Name: "arrival", Protocol: firewall.TCP, Host: "new.example", Port: 443, Verdict: "block", Reason: "rule"})
	d.sees("arrival")
	d.sees("new.example:443")
}

func TestNamesFromTheNetworkCannotTurnTheText(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 50), ui.ViewActivity)
	d.sees("firefox")
	d.control.Add(ui.LogLine{Kind: "flow", Program: "/tmp/a\u202egpj.exe", Name: "a\u202egpj.exe", Host: "x\n\x1b[31m.example", Protocol: firewall.TCP, Port: 80, Verdict: "ask"})
	d.sees("a□gpj.exe")
	d.sees("x□□[31m.example:80")
}

func TestActivityIsFilteredByTextProgramAndVerdict(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 2000), ui.ViewActivity)
	d.sees("firefox")
	test.Type(d.entry("Filter by program, host, address or port"), "slack")
	d.misses("firefox")
	d.sees("wss-primary.slack.com:443")
	d.entry("Filter by program, host, address or port").SetText("")
	d.sees("firefox")
	for _, o := range d.objects() {
		if s, ok := o.(*widget.Select); ok && s.Selected == "All verdicts" {
			s.SetSelected("Blocked")
		}
	}
	d.misses("firefox")
	d.sees("telnet")
}

func TestARowsMenuBlocksTheProgramAndShowsTheRule(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 2000), ui.ViewActivity)
	d.sees("telnet")
	d.menu("telnet")
	d.picture("activity-menu")
	d.tap("Block telnet")
	d.loop.Until(t, "the rule is there", func() bool { r, ok := d.theRule("/usr/bin/telnet"); return ok && r.Verdict == firewall.Block })
	d.menu("telnet")
	d.tap("Allow telnet")
	d.loop.Until(t, "the rule is changed", func() bool { r, _ := d.theRule("/usr/bin/telnet"); return r.Verdict == firewall.Allow })
	d.menu("telnet")
	d.tap("Copy")
	if s := d.app.Clipboard().Content(); !strings.Contains(s, "/usr/bin/telnet") {
		t.Errorf("copied %q", s)
	}
	d.menu("telnet")
	d.tap("Show only telnet")
	d.misses("firefox")
	d.menu("185.220.101.4:23")
	d.tap("Show the rule that decided")
	d.sees("Any program")
}

func TestACarriedOverVersionIsUndoneFromItsLine(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 10)
	c.Know(ui.Identity{Program: "/usr/bin/curl", Package: "dpkg:curl", Version: "8.2", Carried: true, VersionBefore: "8.1"})
	d := newMainDesk(t, c, ui.ViewActivity)
	const line = "carried over: curl 8.1 → 8.2, package dpkg:curl"
	c.Add(ui.LogLine{Kind: "change", Time: uitest.Start, Program: "/usr/bin/sallyport", Name: "sallyport", Reason: "change", Count: 1, Note: line, Carried: "/usr/bin/curl"})
	d.sees(line)
	d.menu(line)
	d.tap("Undo: ask about the new version")
	d.loop.Until(t, "it is undone", func() bool {
		all, err := c.Identities(t.Context())
		return err == nil && all[0].Strict && !all[0].Carried
	})
}

func TestALineTellsWhatWasKnownOfItsProcess(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 50), ui.ViewActivity)
	d.sees("firefox")
	d.control.Add(ui.LogLine{Kind: "flow", Time: uitest.Start, Program: "/usr/bin/curl", Name: "curl", Protocol: firewall.TCP, Host: "known.example", Port: 443, Verdict: "ask", Reason: "asked",
		Warnings: []string{"LD_PRELOAD is set: /tmp/\u202ex.so", "its file changed just now"}, Facts: []string{"used by: backup.sh", "user: root"}},
		ui.LogLine{Kind: "flow", Time: uitest.Start, Program: "/usr/bin/curl", Name: "curl", Protocol: firewall.TCP, Host: "other.example", Port: 443, Verdict: "allow", Reason: "rule"})
	d.sees("known.example:443")
	d.tap("known.example:443")
	const warnings, facts = "LD_PRELOAD is set: /tmp/□x.so · Its file changed just now", "Used by: backup.sh · User: root"
	d.sees(warnings)
	d.sees(facts)
	d.picture("activity-facts")
	d.menu("known.example:443")
	d.tap("Copy")
	if s := d.app.Clipboard().Content(); !strings.Contains(s, warnings) || !strings.Contains(s, facts) {
		t.Errorf("copied %q", s)
	}
	d.tap("other.example:443")
	d.misses(warnings)
}

func TestTheEngineGoneIsSaidAndRestartOffered(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 100)
	d := newMainDeskOptions(t, c, ui.ViewActivity, ui.Options{Restart: func(context.Context) error { c.Go(false); return nil }})
	d.sees("firefox")
	c.Go(true)
	d.sees("The engine does not answer.")
	d.picture("engine-gone")
	test.Tap(d.button("Restart engine"))
	d.misses("The engine does not answer.")
	d.sees("Firewall on")
}

func TestLockStopsEverythingAndEndsAsItWas(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeBlock, 10), ui.ViewActivity)
	test.Tap(d.button("Lock all traffic"))
	d.sees("Locked")
	test.Tap(d.button("End the lock"))
	d.sees("Firewall on")
	if m := d.ui.State().Status.Mode; m != firewall.ModeBlock {
		t.Errorf("mode %v after the lock", m)
	}
}

func TestTheFirstChoiceThenTheProgramsSeen(t *testing.T) {
	c := uitest.New(firewall.ModeAllow, 10)
	c.Update(func(s *ui.Status) { s.FirstRun = true })
	d := newMainDesk(t, c, ui.ViewActivity)
	d.sees("Until you choose")
	d.picture("review-choice")
	c.Propose("/usr/bin/curl", "/usr/lib/firefox/firefox", "/opt/game/telemetry")
	test.Tap(d.button("Start asking"))
	d.sees("telemetry")
	d.picture("review-list")
	d.tap("telemetry")
	d.sees("Confirm: allow 2, ask about 1")
	test.Tap(d.button("Confirm: allow 2, ask about 1"))
	d.sees("Nothing waits to be confirmed.")
	if _, ok := d.theRule("/opt/game/telemetry"); ok {
		t.Error("the program that was not checked has a rule")
	}
	if r, ok := d.theRule("/usr/bin/curl"); !ok || r.Proposed || r.Verdict != firewall.Allow {
		t.Errorf("curl's rule is %+v", r)
	}
}

// missed are questions that nobody answered in time, and one that waits.
func missed() []ui.Prompt {
	question := func(id, program, host string, more func(*ui.Prompt)) ui.Prompt {
		q := ui.Prompt{ID: id, State: "unanswered", Program: program, Protocol: firewall.TCP, Host: host, Port: 443, Here: true, Last: uitest.Start}
		more(&q)
		return q
	}
	return []ui.Prompt{
		question("curl", "/usr/bin/curl", "api.example", func(q *ui.Prompt) {
			q.Others, q.Ended, q.Sought, q.Last = 4, true, []ui.Destination{{}, {}}, uitest.Start.Add(time.Hour)
		}),
		question("script", "inline:python:/usr/bin/python3.11", "pypi.example", func(q *ui.Prompt) { q.Inline = true }),
		question("nobody", "", "192.0.2.7", func(q *ui.Prompt) { q.OnlyOnce = true }),
		question("later", "/usr/bin/wget", "files.example", func(q *ui.Prompt) { q.State, q.Waiting = "waiting", 1 }),
	}
}

func TestQuestionsAreAnsweredTogetherInTheInbox(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 10)
	d := newMainDesk(t, c, ui.ViewInbox)
	d.sees("No question is open.")
	c.Ask(missed()...)
	d.sees("4 open questions")
	d.sees("api.example:443 and 1 other")
	test.Tap(d.button("Block all"))
	d.sees("Answer: block 4")
	d.tap("files.example:443") // goes on to Allow
	d.sees("Answer: allow 1, block 3")
	test.Tap(d.button("Leave all open"))
	test.Tap(d.button("Allow all"))
	for range 2 {
		d.tap("files.example:443")
	}
	d.sees("Answer: allow 3, block 1")
	test.Tap(d.button("Answer: allow 3, block 1"))
	d.loop.Until(t, "all are answered", func() bool { return len(c.Answers()) == 4 })
	want := map[string]ui.Answer{
		"curl":   {ID: "curl", Verdict: firewall.Allow, Scope: "program", For: "always"},
		"script": {ID: "script", Verdict: firewall.Allow, Scope: "program", For: "exit"},
		"nobody": {ID: "nobody", Verdict: firewall.Allow, Scope: "program", For: "once"},
		"later":  {ID: "later", Verdict: firewall.Block, Scope: "program", For: "always"},
	}
	for _, a := range c.Answers() {
		if a != want[a.ID] {
			t.Errorf("answered %+v, want %+v", a, want[a.ID])
		}
	}
	d.sees("No question is open.")
}

func TestAProgramSeenCanBeBlockedInTheReview(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 10)
	c.Propose("/usr/bin/curl", "/opt/game/telemetry")
	d := newMainDesk(t, c, ui.ViewReview)
	d.sees("telemetry")
	d.tap("Block") // of the last one
	d.sees("Confirm: allow 1, block 1")
	d.picture("review-block")
	test.Tap(d.button("Confirm: allow 1, block 1"))
	d.sees("Nothing waits to be confirmed.")
	if r, ok := d.theRule("/opt/game/telemetry"); !ok || r.Proposed || r.Verdict != firewall.Block {
		t.Errorf("telemetry's rule is %+v", r)
	}
}

func TestEscapeLeavesTheRuleFormAndReturnSavesIt(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms)
	d.sees("Any program")
	const hint = "/usr/bin/curl, or * for any program"
	open := func() *widget.Entry {
		t.Helper()
		test.Tap(d.button("Add rule…"))
		d.sees("Add a rule")
		return d.entry(hint)
	}
	key := func(name fyne.KeyName) {
		d.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: name})
	}
	open().SetText("/usr/bin/never")
	key(fyne.KeyEscape)
	d.misses("Add a rule")
	open().SetText("/usr/bin/curl")
	key(fyne.KeyReturn)
	d.misses("Add a rule")
	d.sees("curl")
	if d.reads("/usr/bin/never") {
		t.Error("Escape saved the rule")
	}
}

func TestRulesAreAddedSearchedDisabledAndRemoved(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms)
	d.sees("Any program")
	test.Tap(d.button("Add rule…"))
	test.Type(d.entry("/usr/bin/curl, or * for any program"), "curl")
	test.Type(d.entry("any, 192.0.2.7 or 192.0.2.0/24"), "192.0.2.300")
	test.Tap(d.button("Save"))
	d.sees(ui.TextWholePath + ".")
	d.sees("Write an address such as 192.0.2.7")
	d.picture("rule-form")
	d.entry("/usr/bin/curl, or * for any program").SetText("/usr/bin/curl")
	d.entry("any, 192.0.2.7 or 192.0.2.0/24").SetText("192.0.2.0/24")
	d.entry("anything, or /opt/backup.sh").SetText("backup.sh")
	test.Tap(d.button("Save"))
	d.sees(ui.TextWholePath + ".")
	d.entry("anything, or /opt/backup.sh").SetText("/opt/a.sh")
	test.Tap(d.button("Save"))
	d.sees("To 192.0.2.0/24, when started by /opt/a.sh")
	if r, _ := d.theRule("/usr/bin/curl"); r.StartedBy != "/opt/a.sh" {
		t.Errorf("the rule is %+v", r)
	}
	d.tap("To 192.0.2.0/24, when started by /opt/a.sh")
	test.Tap(d.button("Change…"))
	d.picture("rule-form-filled")
	d.entry("anything, or /opt/backup.sh").SetText("")
	test.Tap(d.button("Save"))
	d.misses("To 192.0.2.0/24, when started by /opt/a.sh")
	d.sees("To 192.0.2.0/24")
	d.tap("To 192.0.2.0/24")
	d.picture("programs")
	test.Tap(d.button("Disable"))
	d.sees("Disabled")
	test.Type(d.entry("Search by program, host, address, port or note"), "loopback")
	d.misses("192.0.2.0/24")
	d.entry("Search by program, host, address, port or note").SetText("")
	test.Tap(d.button("Remove"))
	d.misses("192.0.2.0/24")
}

func TestASettingIsStoredAndAWrongOneRefusedAtItsField(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewSettings)
	d.sees("Time to answer")
	d.picture("settings")
	patience := func() *settingField { return d.setting("30s") }
	f := patience()
	f.SetText("soon")
	f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	d.sees("is no time such as 30s or 2h")
	f.SetText("45s")
	f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	d.loop.Until(t, "it is stored", func() bool {
		settings, _ := d.control.Settings(context.Background())
		return settings[0].Value == "45s"
	})
}

func TestTheKeyboardReachesEveryPage(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 50), ui.ViewActivity)
	d.sees("firefox")
	test.FocusNext(d.window.Canvas()) // the sidebar's first line
	test.FocusNext(d.window.Canvas())
	d.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	d.sees("No question is open.")
}

// TestMainWindowPictures compares whole windows with pictures looked at before.
func TestMainWindowPictures(t *testing.T) {
	for _, w := range []struct {
		view ui.View
		look ui.Appearance
		word string
	}{
		{ui.ViewActivity, ui.Light, "firefox"}, {ui.ViewActivity, ui.Dark, "firefox"},
		{ui.ViewPrograms, ui.Dark, "Built in"}, {ui.ViewReview, ui.Light, "telemetry"}, {ui.ViewSettings, ui.Light, "Time to answer"},
		{ui.ViewInbox, ui.Light, "api.example:443 and 1 other"},
	} {
		t.Run(string(w.view)+"-"+string(w.look), func(t *testing.T) {
			c := uitest.New(firewall.ModeAsk, 2000)
			if w.view != ui.ViewActivity {
				c.Propose("/usr/bin/curl", "/usr/lib/firefox/firefox", "/opt/game/telemetry")
			}
			if w.view == ui.ViewInbox {
				c.Ask(missed()...)
			}
			d := newMainDesk(t, c, w.view)
			d.app.Settings().SetTheme(ui.NewTheme(w.look))
			d.loop.Run()
			d.sees(w.word)
			d.sees("Alerts on")
			name := string(w.view) + "-" + string(w.look)
			if runtime.GOOS == "windows" && w.view == ui.ViewSettings {
				name += "-windows" // it says other things about the engine there
			}
			d.looksLike(name)
		})
	}
}
