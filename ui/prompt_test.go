package ui_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// asked is when the questions of these tests were asked.
var asked = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

// question is an ordinary question; change makes it another one.
func question(id string, change func(*ui.Prompt)) ui.Prompt {
	p := ui.Prompt{
		ID: id, State: "waiting", Program: "/opt/updater/bin/updater", Name: "updater", PID: 4821, UID: 0, User: "root",
		Parent: "/usr/lib/systemd/systemd", Facts: []string{"started by: systemd (updater.service)", "user: root"}, Protocol: firewall.TCP, Remote: "198.51.100.20", Host: "cdn.example-updates.net", Port: 8080,
		Waiting: 1, Asked: asked, Deadline: asked.Add(30 * time.Second), Here: true,
	}
	if change != nil {
		change(&p)
	}
	return p
}

// desk is a desktop with a prompt and a clock that the test turns.
type desk struct {
	ui.PromptForTest
	t       *testing.T
	control *uitest.Control
	loop    *uitest.Loop
	time    time.Time
}

func newDesk(t *testing.T, look ui.Appearance) *desk {
	t.Setenv("DISPLAY", "")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	a := test.NewTempApp(t)
	a.Settings().SetTheme(ui.NewTheme(look))
	d := &desk{t: t, control: uitest.New(firewall.ModeAsk, 0), loop: uitest.NewLoop(), time: asked}
	u := ui.New(a, d.control, ui.Options{Do: d.loop.Do, Now: func() time.Time { return d.time }})
	d.PromptForTest = ui.PromptOf(u)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); u.Run(ctx) }()
	t.Cleanup(func() {
		d.control.Ask()
		d.loop.Until(t, "the prompt is gone", func() bool { return !d.Visible() })
		cancel()
		<-ended
	})
	return d
}

// ask opens questions and waits until one of them is on the screen.
func (d *desk) ask(ps ...ui.Prompt) {
	d.t.Helper()
	d.control.Ask(ps...)
	d.loop.Until(d.t, "a question is shown", func() bool { return d.Visible() })
}

// wait lets time pass.
func (d *desk) wait(span time.Duration) {
	d.time = d.time.Add(span)
	d.Tick()
}

// settle lets the guard of the shown question end.
func (d *desk) settle() { d.wait(700 * time.Millisecond) }

func (d *desk) answers(n int) []ui.Answer {
	d.t.Helper()
	d.loop.Until(d.t, "the answers arrive", func() bool { return len(d.control.Answers()) >= n })
	return d.control.Answers()
}

func TestAllowIsForTheProgramAnywhereAndAlways(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil))
	d.settle()
	test.Tap(d.Allow())
	got := d.answers(1)[0]
	if want := (ui.Answer{ID: "1", Verdict: firewall.Allow, Scope: "program", For: "always"}); got != want {
		t.Errorf("answer %+v, want %+v", got, want)
	}
	d.loop.Until(t, "the prompt goes", func() bool { return !d.Visible() })
}

func TestDenyWithAScopeAndADuration(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil))
	d.settle()
	d.Scope().SetSelected("Only this host and port")
	d.Lasting().SetSelected("Until it exits")
	test.Tap(d.Deny())
	got := d.answers(1)[0]
	if want := (ui.Answer{ID: "1", Verdict: firewall.Block, Scope: "destination", For: "exit"}); got != want {
		t.Errorf("answer %+v, want %+v", got, want)
	}
}

func TestKeys(t *testing.T) {
	for key, want := range map[rune]firewall.Verdict{'a': firewall.Allow, 'A': firewall.Allow, 'd': firewall.Block, 'D': firewall.Block} {
		t.Run(string(key), func(t *testing.T) {
			d := newDesk(t, ui.Dark)
			d.ask(question("1", nil))
			d.settle()
			d.Window().Canvas().OnTypedRune()(key)
			if got := d.answers(1)[0].Verdict; got != want {
				t.Errorf("key %c gives %v, want %v", key, got, want)
			}
		})
	}
}

func TestNothingIsAnsweredWithin700Milliseconds(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil), question("2", nil))
	early := func() {
		t.Helper()
		if !d.Shielded() {
			t.Error("clicks reach the buttons of a question that just appeared")
		}
		shown := d.Shown()
		test.Tap(d.Allow())
		test.Tap(d.Next())
		test.Tap(d.Later())
		d.Window().Canvas().OnTypedRune()('a')
		d.loop.Run()
		if d.Shown() != shown || !d.Visible() {
			t.Error("a question that just appeared took input")
		}
	}
	early()
	d.wait(699 * time.Millisecond)
	early()
	d.wait(time.Millisecond)
	if d.Shielded() {
		t.Error("still shielded after 700 ms")
	}
	test.Tap(d.Allow())
	d.loop.Until(t, "the second question is shown", func() bool { return d.Shown() == "2" })
	early() // anew for each question
	d.settle()
	d.Focus()
	early() // and when the keys are given to it
	if n := len(d.control.Answers()); n != 1 {
		t.Errorf("%d answers, want 1", n)
	}
}

func TestTheShownQuestionStaysWhenOthersCome(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("2", nil))
	d.settle()
	d.Scope().SetSelected("This host, any port")
	d.control.Ask(question("1", nil), question("2", nil), question("3", nil))
	d.loop.Until(t, "the others are counted", func() bool { return d.Place() == "2 of 3" })
	if d.Shown() != "2" || d.Scope().Selected != "This host, any port" || d.Shielded() {
		t.Errorf("shown %s with %q", d.Shown(), d.Scope().Selected)
	}
	test.Tap(d.Next())
	if d.Shown() != "3" || d.Place() != "3 of 3" || !d.Shielded() {
		t.Errorf("next shows %s, %s", d.Shown(), d.Place())
	}
}

func TestAnsweredElsewhereAdvancesAndGuardsAnew(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil), question("2", nil))
	d.settle()
	d.control.Ask(question("2", nil))
	d.loop.Until(t, "the other question is shown", func() bool { return d.Shown() == "2" })
	if !d.Shielded() {
		t.Error("a click meant for the first question would answer the second")
	}
	d.control.Ask()
	d.loop.Until(t, "the prompt goes", func() bool { return !d.Visible() })
}

func TestCountdown(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil))
	d.wait(7 * time.Second)
	if got, want := d.Countdown(), "Blocked in 23 s if unanswered"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := d.Deny().Text; got != "Deny  (23)" {
		t.Errorf("button says %q", got)
	}
	d.control.Ask(question("1", func(p *ui.Prompt) { p.State = "unanswered"; p.Waiting = 0 }))
	d.loop.Until(t, "it says that it was blocked", func() bool { return strings.HasPrefix(d.Countdown(), "Blocked, unanswered") })
	d.settle()
	test.Tap(d.Allow())
	d.answers(1)
}

func TestAnUnidentifiedProgramIsAnsweredOnlyOnce(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", unidentified))
	d.settle()
	if len(d.Lasting().Options) != 1 {
		t.Errorf("offers %q", d.Lasting().Options)
	}
	test.Tap(d.Allow())
	if got := d.answers(1)[0]; got.For != "once" {
		t.Errorf("answer %+v", got)
	}
}

func TestAnotherFileIsAnsweredAsBeforeOrOnce(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", changed))
	d.settle()
	if scopes, lasting := d.Scope().Options, d.Lasting().Options; len(scopes) != 1 || len(lasting) != 2 {
		t.Errorf("offers %q, %q", scopes, lasting)
	}
	test.Tap(d.Allow())
	got := d.answers(1)[0]
	if want := (ui.Answer{ID: "1", Verdict: firewall.Allow, Scope: "program", For: "always"}); got != want {
		t.Errorf("answer %+v, want %+v", got, want)
	}
}

func changed(p *ui.Prompt) {
	p.Changed, p.About = true, "another file at this path since 12 Nov 2026"
}

func TestFactsThatComeLateAreShownInTheSameQuestion(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", func(p *ui.Prompt) { p.Facts = nil }))
	d.settle()
	d.Scope().SetSelected("This host, any port")
	before := d.Window().Canvas().Size().Height
	d.control.Ask(question("1", func(p *ui.Prompt) {
		p.Warnings, p.Facts = []string{"LD_PRELOAD is set: /tmp/x.so"}, []string{"used by: backup.sh", "started by: sh"}
		p.StartedBy = "/opt/backup.sh"
	}))
	d.loop.Until(t, "the facts are shown", func() bool { return d.says("LD_PRELOAD is set: /tmp/x.so") && d.says("backup.sh") && d.says("sh") })
	if d.says("not known") || d.Scope().Selected != "This host, any port" || d.Shielded() {
		t.Error("another question is shown")
	}
	if after := d.Window().Canvas().Size().Height; after <= before {
		t.Errorf("%v high, and %v before", after, before)
	}
	d.Scope().SetSelected("Only started by backup.sh")
	test.Tap(d.Allow())
	if got := d.answers(1)[0]; got.Scope != "starter" {
		t.Errorf("answer %+v", got)
	}
}

// says tells whether the prompt shows a text.
func (d *desk) says(s string) bool {
	for _, o := range visible(nil, d.Window().Content()) {
		if text, ok := o.(*canvas.Text); ok && text.Text == s {
			return true
		}
	}
	return false
}

func TestInlineCodeIsAnsweredOnceOrUntilItExits(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", inline))
	d.settle()
	if got := d.Lasting().Options; len(got) != 2 {
		t.Errorf("offers %q", got)
	}
	test.Tap(d.Allow())
	if got := d.answers(1)[0]; got.For != "exit" {
		t.Errorf("answer %+v", got)
	}
}

func TestPutOffComesBackWithANewQuestion(t *testing.T) {
	d := newDesk(t, ui.Dark)
	d.ask(question("1", nil))
	d.settle()
	test.Tap(d.Later())
	if d.Visible() {
		t.Fatal("still visible")
	}
	d.ask(question("1", nil), question("2", nil))
	if d.Shown() != "2" {
		t.Errorf("shows %s", d.Shown())
	}
	if n := len(d.control.Answers()); n != 0 {
		t.Errorf("%d answers", n)
	}
}

func unidentified(p *ui.Prompt) {
	p.Program, p.Name, p.About, p.OnlyOnce, p.Host, p.Facts = "", "", "path too long", true, "", nil
}

func inline(p *ui.Prompt) {
	p.Program, p.Name, p.About, p.Inline = "inline:python:/usr/bin/python3.11", "python3.11", "inline code", true
	p.Command = `python3 -c import this`
	p.Facts = append(p.Facts, "command: "+p.Command)
}

func script(p *ui.Prompt) {
	p.Program, p.Name, p.Command = "script:python:/home/ann/bin/backup.py", "backup.py (python)", "python3 /home/ann/bin/backup.py --all"
	p.Facts = append(p.Facts, "command: "+p.Command)
}
