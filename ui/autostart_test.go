package ui_test

import (
	"testing"

	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// box is the box to tick that is on screen.
func (d *mainDesk) box(label string) *widget.Check {
	d.t.Helper()
	for _, o := range d.objects() {
		if c, ok := o.(*widget.Check); ok && c.Text == label {
			return c
		}
	}
	d.t.Fatalf("there is no box %q", label)
	return nil
}

func (d *mainDesk) starts(a ui.Autostart, want bool) {
	d.t.Helper()
	d.loop.Until(d.t, "the start at login is as wanted", func() bool { on, _ := a.Enabled(); return on == want })
}

const askStart = "Start these windows when I log in, in the tray, so that I can be asked"

func firstRun(t *testing.T, a ui.Autostart) *mainDesk {
	t.Helper()
	c := uitest.New(firewall.ModeAllow, 10)
	c.Update(func(s *ui.Status) { s.FirstRun = true })
	d := newMainDeskOptions(t, c, ui.ViewReview, ui.Options{Autostart: a})
	d.sees("How should Sallyport begin?")
	return d
}

func TestThePersonIsAskedWhetherToStartAtLogin(t *testing.T) {
	start := &uitest.Autostart{}
	d := firstRun(t, start)
	d.sees(askStart)
	d.picture("review-choice-start")
	if on, _ := start.Enabled(); on {
		t.Error("it starts at login before the choice is made")
	}
	test.Tap(d.button("Start asking"))
	d.starts(start, true)
}

func TestWhoDoesNotWantItToStartAtLoginUnticksIt(t *testing.T) {
	start := &uitest.Autostart{}
	d := firstRun(t, start)
	d.box(askStart).SetChecked(false)
	test.Tap(d.button("Start asking"))
	d.sees("Nothing waits to be confirmed.")
	d.starts(start, false)
}

func TestStartingAtLoginIsTakenBackInTheSettings(t *testing.T) {
	start := &uitest.Autostart{}
	if err := start.Enable(); err != nil {
		t.Fatal(err)
	}
	d := newMainDeskOptions(t, uitest.New(firewall.ModeAsk, 10), ui.ViewSettings, ui.Options{Autostart: start})
	const label = "When I log in, in the tray"
	d.sees(label)
	d.loop.Until(t, "the box is ticked", func() bool { return d.box(label).Checked })
	d.picture("settings-start")
	d.box(label).SetChecked(false)
	d.starts(start, false)
}
