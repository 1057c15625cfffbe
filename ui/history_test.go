package ui_test

import (
	"runtime"
	"testing"

	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// chooses picks an option of the choice that shows another.
func (d *mainDesk) chooses(from, to string) {
	d.t.Helper()
	for _, o := range d.objects() {
		if s := ui.SelectIn(o); s != nil && s.Selected == from {
			s.SetSelected(to)
			return
		}
	}
	d.t.Fatalf("no choice shows %q", from)
}

func withRule(t *testing.T, c *uitest.Control, r ui.Rule) ui.Rule {
	t.Helper()
	r.Enabled, r.Until = true, "always"
	stored, err := c.AddRule(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// A line says why it came about; the rule is disabled and changed from there,
// and that is undone.
func TestALineIsExplainedAndItsRuleDisabledAndUndone(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 50)
	rule := withRule(t, c, ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block})
	d := newMainDesk(t, c, ui.ViewActivity)
	d.sees("firefox")
	c.Add(ui.LogLine{Kind: "flow", Time: uitest.Start, Program: "/usr/bin/curl", Name: "curl", Protocol: firewall.TCP, Host: "why.example", Remote: "192.0.2.9", Port: 443, Verdict: "block", Reason: "rule", Rule: rule.ID, UID: 1000})
	d.sees("why.example:443")
	d.tap("why.example:443")
	d.sees("Rule r1 decided: block /usr/bin/curl.")
	d.sees("Without it a person would have been asked.")
	d.sees("Last change: add rule")
	d.looksLike("explain-dark")
	enabled := func() bool { r, ok := c.Rule(rule.ID); return ok && r.Enabled }
	test.Tap(d.button("Disable"))
	d.loop.Until(t, "it is disabled", func() bool { return !enabled() })
	d.sees("Last change: change rule r1")
	test.Tap(d.button("Undo"))
	d.loop.Until(t, "that is undone", enabled)
	d.loop.Until(t, "it can be disabled again", func() bool { return d.reads("Disable") })
	test.Tap(d.button("Change…"))
	d.sees("Change a rule")
	d.entry("").SetText("from the log") // the note
	test.Tap(d.button("Save"))
	d.misses("Change a rule")
	if r, _ := c.Rule(rule.ID); r.Note != "from the log" {
		t.Errorf("the rule is %+v", r)
	}
}

// The line of a change has what takes it back.
func TestAChangeIsUndoneFromItsLine(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 50)
	rule := withRule(t, c, ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block})
	d := newMainDesk(t, c, ui.ViewActivity)
	d.sees("firefox")
	c.Add(ui.LogLine{Kind: "change", Time: uitest.Start, Program: "/usr/bin/sallyport", Name: "sallyport", Reason: "change", Count: 1, Note: "add rule: block /usr/bin/curl", Change: "1", Way: "window"})
	d.sees("add rule: block /usr/bin/curl")
	d.tap("add rule: block /usr/bin/curl")
	d.sees("User changed this in the windows.")
	test.Tap(d.button("Undo"))
	d.loop.Until(t, "the rule is gone", func() bool { _, there := c.Rule(rule.ID); return !there })
}

// Before a rule is made and before a mode is chosen, it is seen what that would
// have changed.
func TestWhatARuleOrAModeWouldChangeIsShownBefore(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 50)
	d := newMainDesk(t, c, ui.ViewPrograms)
	d.sees("Any program")
	test.Tap(d.button("Add rule…"))
	d.entry("/usr/bin/curl, or * for any program").SetText("/usr/lib/firefox/firefox")
	test.Tap(d.button("What would it change?"))
	d.sees("firefox → 3 connections to 2 hosts would be blocked, which were allowed")
	d.looksLike("rule-preview-dark")
	if _, made := d.theRule("/usr/lib/firefox/firefox"); made {
		t.Error("the rule was made")
	}
	test.Tap(d.button("Cancel"))

	d = newMainDesk(t, c, ui.ViewSettings)
	d.sees("Time to answer")
	test.Tap(d.button("What would it change?"))
	d.sees("What another mode would have changed")
	d.chooses("", "Lock all traffic")
	d.sees("curl → 1 connection to 1 host would be asked about, which was allowed")
	if runtime.GOOS != "windows" { // the page behind says other things about the engine there
		d.looksLike("mode-preview-dark")
	}
	if m := d.ui.State().Status.Mode; m != firewall.ModeAsk {
		t.Errorf("the mode is %s already", m)
	}
	test.Tap(d.button("Use this mode"))
	d.loop.Until(t, "the mode is used", func() bool { return d.ui.State().Status.Mode == firewall.ModeLock })
}

// What nobody needs is listed and removed at once; rules are sorted.
func TestRulesAreSortedAndCleaned(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 50)
	withRule(t, c, ui.Rule{Program: "/gone/editor", Verdict: firewall.Allow, Hits: 5})
	withRule(t, c, ui.Rule{Program: "/opt/zed", Verdict: firewall.Block, Port: 443, Protocol: firewall.TCP})
	withRule(t, c, ui.Rule{Program: "/opt/used", Verdict: firewall.Allow, Hits: 900})
	d := newMainDesk(t, c, ui.ViewPrograms)
	d.sees("5 rules for 4 programs")
	d.chooses("By program", "Most used")
	first := func() string {
		for _, o := range d.texts() {
			if o == "used" || o == "editor" || o == "zed" || o == "Any program" {
				return o
			}
		}
		return ""
	}
	d.loop.Until(t, "the most used is first", func() bool { return first() == "used" })
	d.chooses("All rules", "Program is gone")
	d.sees("1 rule for 1 program")
	d.sees("editor")
	d.chooses("Program is gone", "Unused for 90 days")
	d.sees("zed")
	d.misses("editor")
	test.Tap(d.button("Remove these…"))
	d.sees("zed: To anywhere, port 443 (https), TCP · never used")
	d.looksLike("clean-dark")
	test.Tap(d.button("Remove 1 rule"))
	d.sees("No rule matches.")
	if _, there := d.theRule("/opt/zed"); there {
		t.Error("the rule is there still")
	}
	d.chooses("Unused for 90 days", "All rules")
	d.sees("4 rules for 3 programs")
}
