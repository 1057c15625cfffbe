//go:build linux

package e2e

import (
	"slices"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// Who was away finds what was asked meanwhile, and answers it together.
func TestTheInboxAnswersWhatWasMissed(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1280, 800)
	d := startDesktop(t, s, p.installed, p.socket)
	for _, program := range []string{"/usr/bin/mailer", "/usr/bin/spy"} {
		p.dial(program)
	}
	d.waitForPrompt()
	d.click("main", "Inbox")
	d.sees("main", "2 open questions")
	d.sees("main", "waits for an answer")
	s.picture("inbox", sight{color: primary})
	d.click("main", "Block all")
	d.click("main", "Answer: block 2")
	d.sees("main", "No question is open.")
	d.waitForNone()
	for _, program := range []string{"/usr/bin/mailer", "/usr/bin/spy"} {
		p.decided(program, "block", 1)
		if got := p.rules(program); !slices.Equal(got, []string{"block"}) {
			t.Errorf("%s has the rules %v, want block", program, got)
		}
	}
}
