//go:build linux

package e2e

import (
	"image/color"
	"slices"
	"testing"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// removeButton is what removes something, in a dialog.
var removeButton = sight{color: color.NRGBA{0xc9, 0x3c, 0x43, 255}}

// From a line of the log to the rule that decided, disabled and undone, by
// clicks.
func TestALineIsExplainedAndUndoneByClicks(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1280, 800)
	d := startDesktop(t, s, p.installed, p.socket)
	p.dial("/opt/x")
	d.answer(d.waitForPrompt(), "Allow")
	p.decided("/opt/x", "allow", 1)
	d.waitForNone()
	s.Focus(d.inspect().Windows["main"].XID)
	d.click("main", "By rule") // on its line, when it is there
	d.sees("main", "Rule r1 decided: allow /opt/x.")
	d.sees("main", "It matched: program /opt/x, direction out.")
	d.sees("main", "Without it a person would have been asked.")
	d.sees("main", "Last change: answer: allow /opt/x")
	s.picture("explain", sight{color: allowedPill.color})
	c := link.NewClient(p.socket)
	enabled := func() bool {
		rules, err := c.Rules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rules, func(r ui.Rule) bool { return r.ID == "r1" })
		return i >= 0 && rules[i].Enabled
	}
	d.click("main", "Disable")
	poll(t, "the rule is disabled", func() bool { return !enabled() })
	d.sees("main", "It was disabled since.")
	d.click("main", "Undo")
	poll(t, "that is undone", enabled)
	d.until("the last change is the undo", func(i inspection) bool {
		return i.reads("main", "Last change: undo change") && !i.reads("main", "It was disabled since.")
	})
}

// A rule is seen through before it is made, and rules whose program is gone are
// removed at once, which is undone from the log.
func TestARulesEffectIsSeenAndRulesAreCleaned(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAllow)
	p.dial("/opt/gone/x")
	p.decided("/opt/gone/x", "allow", 1)
	s := newScreen(t, 1280, 800)
	d := startDesktop(t, s, p.installed, p.socket)
	s.Focus(d.inspect().Windows["main"].XID)
	s.press(xscreen.Control, 'n')
	d.sees("main", "Add a rule")
	for _, letter := range "/opt/gone/x" {
		s.press(keysym(letter))
	}
	d.click("main", "What would it change?")
	d.sees("main", "x → 1 connection to 1 host would be blocked, which was allowed")
	s.picture("what-if-rule", sight{color: primary})
	if got := p.rules("/opt/gone/x"); len(got) > 0 {
		t.Errorf("its rules are %v already", got)
	}
	d.click("main", "Save")
	d.until("the rule is made", func(i inspection) bool { return len(p.rules("/opt/gone/x")) == 1 })
	d.click("main", "All rules")
	d.click("main", "Program is gone")
	d.sees("main", "1 rule for 1 program")
	d.click("main", "Remove these")
	d.sees("main", "x: To anywhere · there is no /opt/gone/x")
	s.picture("clean", removeButton)
	d.click("main", "Remove 1 rule")
	d.until("it is removed", func(inspection) bool { return len(p.rules("/opt/gone/x")) == 0 })

	s.press(xscreen.Control, '1')
	const removal = "remove rule r1: block /opt/gone/x"
	d.sees("main", removal)
	d.click("main", removal)
	d.sees("main", "changed this in the windows")
	d.click("main", "Undo")
	poll(t, "that is undone", func() bool { return slices.Equal(p.rules("/opt/gone/x"), []string{"block"}) })
	s.picture("undo", sight{color: primary})
}
