package ui_test

import (
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// lessons are what three programs did.
func lessons() []ui.Lesson {
	rule := func(program, host, remote string, port uint16) ui.Rule {
		return ui.Rule{Program: program, Verdict: firewall.Allow, Protocol: firewall.TCP, Host: host, Remote: remote, Port: port, Until: "always", Enabled: true}
	}
	return []ui.Lesson{
		{Program: "/usr/bin/curl", Count: 14, Proposals: []ui.ProposedRule{
			{ID: "c1", Rule: rule("/usr/bin/curl", "", "192.0.2.7", 22), Destinations: 1, Count: 2},
			{ID: "c2", Rule: rule("/usr/bin/curl", "example.org", "", 443), Destinations: 1, Count: 12},
		}},
		{Program: "/usr/lib/firefox/firefox", Count: 812, Proposals: []ui.ProposedRule{
			{ID: "f1", Rule: rule("/usr/lib/firefox/firefox", "", "", 443), Destinations: 61, Count: 812},
		}},
		{Program: "/opt/game/telemetry", Count: 1, Proposals: []ui.ProposedRule{
			{ID: "g1", Rule: rule("/opt/game/telemetry", "collect.game.example", "", 8443), Destinations: 1, Count: 1},
		}},
	}
}

func TestWhatWasLearnedIsAcceptedOrForgotten(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 10)
	c.Teach(lessons()...)
	d := newMainDesk(t, c, ui.ViewActivity)
	d.sees("Rules are proposed for what 3 programs did while learning.")
	d.ui.ShowMain(ui.ViewLearn)
	d.sees("To example.org, port 443 (https), TCP · 12 connections")
	d.sees("Make 4 rules, ask about 0")
	d.tapBeside("telemetry", "Ask")
	d.sees("Make 3 rules, ask about 1")
	d.looksLike("learn-dark")
	test.Tap(d.button("Make 3 rules, ask about 1"))
	d.sees("Nothing is proposed. Learning begins in the settings.")
	n := 0
	for _, id := range []string{"r1", "r2", "r3", "r4"} {
		if r, ok := c.Rule(id); ok && r.Learned {
			n++
			if r.Program == "/opt/game/telemetry" {
				t.Errorf("a proposal that was not accepted is rule %+v", r)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d rules were made, want 3", n)
	}
}

func TestAModeIsChosenForATime(t *testing.T) {
	c := uitest.New(firewall.ModeAsk, 10)
	d := newMainDesk(t, c, ui.ViewSettings)
	d.sees("Time to answer")
	choose := func(has, value string) {
		t.Helper()
		for _, o := range d.objects() {
			if s, ok := o.(*widget.Select); ok {
				for _, name := range s.Options {
					if name == has {
						s.SetSelected(value)
						d.loop.Run()
						return
					}
				}
			}
		}
		t.Fatalf("no choice has %q", has)
	}
	choose("for 30 minutes", "for 30 minutes")
	choose("Learn", "Learn")
	end := uitest.Start.Add(30 * time.Minute).Format("15:04")
	d.sees("Until " + end + ", then new programs are asked about. New programs pass for a time, and rules are proposed for what they did.")
	d.sees("Learning")
	choose("for 30 minutes", "until I change it")
	d.loop.Until(t, "the mode has no end", func() bool { s, _ := c.Status(t.Context()); return s.ModeUntil == nil })
	choose("Learn", "Off")
	d.sees("Everything passes, rules or not.")
	if s, _ := c.Status(t.Context()); s.Mode != firewall.ModeOff || s.ModeUntil != nil {
		t.Errorf("status %+v", s)
	}
}

// tapBeside taps a word on the line of another.
func (d *mainDesk) tapBeside(line, word string) {
	d.t.Helper()
	y := d.at(line).Y
	for _, o := range d.objects() {
		if t, ok := o.(*canvas.Text); ok && t.Text == word {
			at := d.app.Driver().AbsolutePositionForObject(o).Add(fyne.NewPos(o.Size().Width/2, o.Size().Height/2))
			if diff := at.Y - y; diff > -14 && diff < 14 {
				test.TapCanvas(d.window.Canvas(), at)
				d.loop.Run()
				return
			}
		}
	}
	d.t.Fatalf("there is no %q beside %q", word, line)
}
