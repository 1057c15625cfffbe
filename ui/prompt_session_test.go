package ui_test

import (
	"testing"

	"sallyport.dev/sallyport/ui"
)

func TestAQuestionForAnotherSessionIsNotShownHere(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", func(p *ui.Prompt) { p.Here = false }), question("2", nil))
	d.settle()
	if d.Shown() != "2" || d.Place() != "1 of 1" {
		t.Errorf("shows question %s, %s", d.Shown(), d.Place())
	}
	// The other person's session ends: the question comes here.
	d.control.Ask(question("1", nil), question("2", nil))
	d.loop.Until(t, "both are counted", func() bool { return d.Place() == "2 of 2" })
	// And it goes where that person is when there is one again.
	d.control.Ask(question("1", func(p *ui.Prompt) { p.Here = false }))
	d.loop.Until(t, "the prompt goes", func() bool { return !d.Visible() })
}
