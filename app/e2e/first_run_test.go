//go:build linux

package e2e

import (
	"slices"
	"testing"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
)

// The first start locks nobody out: everything passes until the person chooses
// to be asked, confirms what was seen in one list, and only then is asked.
func TestTheFirstRun(t *testing.T) {
	p := newPretend(t)
	s := newScreen(t, 1280, 800)
	d := startDesktop(t, s, p.installed, p.socket)
	d.sees("main", "How should Sallyport begin?")
	for _, program := range []string{"/usr/bin/browser", "/usr/bin/mailer", "/usr/bin/spy"} {
		p.dial(program)
		p.decided(program, "allow", 1)
	}
	if i := d.inspect(); i.Prompt != "" {
		t.Error("asked before the person chose to be")
	}
	d.sees("main", "3 programs seen until now")
	s.picture("first-choice", sight{color: primary})
	d.click("main", "Start asking")
	d.sees("main", "Confirm: allow 3")
	if i := d.inspect(); i.Prompt != "" {
		t.Error("asked about a program that is in the list")
	}
	d.click("main", "Block") // of the last one, in the order of their names
	d.sees("main", "Confirm: allow 2, block 1")
	s.picture("first-review", sight{color: blockedPill.color})
	d.click("main", "Confirm: ")
	d.sees("main", "Nothing waits to be confirmed.")
	for program, want := range map[string]string{"/usr/bin/browser": "allow", "/usr/bin/mailer": "allow", "/usr/bin/spy": "block"} {
		if got := p.rules(program); !slices.Equal(got, []string{want}) {
			t.Errorf("%s has the rules %v, want %s", program, got, want)
		}
	}
	p.dial("/usr/bin/spy")
	p.decided("/usr/bin/spy", "block", 1)
	p.dial("/usr/bin/unseen")
	prompt := d.waitForPrompt()
	d.answer(prompt, "Allow")
	p.decided("/usr/bin/unseen", "allow", 1)
	d.waitForNone()
	if st, err := link.NewClient(p.socket).Status(t.Context()); err != nil || st.Mode != firewall.ModeAsk || st.FirstRun {
		t.Errorf("status %+v, %v", st, err)
	}
}

// A rule is made by the keyboard and the mouse, changed and removed; closing
// the window leaves the program, and starting it again brings the window back.
func TestRulesInTheWindow(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1280, 800)
	d := startDesktop(t, s, p.installed, p.socket)
	main := d.inspect().Windows["main"].XID
	s.Focus(main)
	s.press(xscreen.Control, 'n')
	d.sees("main", "Add a rule")
	s.press(xscreen.Escape)
	d.until("Escape closes the form", func(i inspection) bool { return !i.reads("main", "Add a rule") })
	d.click("main", "Add rule")
	d.sees("main", "Add a rule")
	for _, letter := range "/opt/x" {
		s.press(keysym(letter))
	}
	s.press(xscreen.Return)
	d.until("Return saves the rule", func(i inspection) bool { return !i.reads("main", "Add a rule") && i.reads("main", "/opt/x") })
	if got := p.rules("/opt/x"); !slices.Equal(got, []string{"block"}) {
		t.Fatalf("its rules are %v", got)
	}
	p.dial("/opt/x")
	p.decided("/opt/x", "block", 1)
	d.until("its use is shown", func(i inspection) bool { return i.reads("main", "/opt/x") })
	s.press(xscreen.Control, 'f')
	for _, letter := range "opt" {
		s.press(keysym(letter))
	}
	d.until("only it is listed", func(i inspection) bool { return i.reads("main", "1 rule for 1 program") })
	d.click("main", "To anywhere")
	d.until("it is selected", func(i inspection) bool { return i.reads("main", "Not used yet") || i.reads("main", "1 use") })
	d.click("main", "Remove")
	d.until("it is removed", func(i inspection) bool { return len(p.rules("/opt/x")) == 0 })

	// A line of the log, and its menu.
	s.press(xscreen.Control, '1')
	d.until("its rule's removal is shown", func(i inspection) bool { return i.count("Change") == 3 })
	d.click("main", "x")
	d.sees("main", "TCP to www.example.org (198.51.100.7), port 443 (https)")
	d.secondary("main", "x")
	d.click("main", "Allow x")
	poll(t, "the program is allowed", func() bool { return slices.Equal(p.rules("/opt/x"), []string{"allow"}) })

	s.press(xscreen.Control, 'w')
	d.until("the window closes", func(i inspection) bool { _, shown := i.Windows["main"]; return !shown })
	d.again()
	d.sees("main", "Activity")
	s.Focus(main)
	s.press(xscreen.Control, 'q')
	poll(t, "the program ends", d.ended)
}
