package ui_test

import (
	"context"
	"image/png"
	"os"
	"path/filepath"
	"strings"
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

// mainDesk is the desktop program in a test: one main window on a made-up engine.
type mainDesk struct {
	t       testing.TB
	app     fyne.App
	loop    *uitest.Loop
	control *uitest.Control
	ui      *ui.UI
	window  fyne.Window
}

func newMainDesk(t testing.TB, c *uitest.Control, v ui.View) *mainDesk {
	return newMainDeskOptions(t, c, v, ui.Options{})
}

func newMainDeskOptions(t testing.TB, c *uitest.Control, v ui.View, o ui.Options) *mainDesk {
	t.Helper()
	d := &mainDesk{t: t, app: test.NewTempApp(t), loop: uitest.NewLoop(), control: c}
	o.Do = d.loop.Do
	d.app.Preferences().SetString("appearance", "dark")
	d.ui = ui.New(d.app, c, o)
	d.ui.ShowMain(v)
	d.window = d.app.Driver().AllWindows()[len(d.app.Driver().AllWindows())-1]
	d.window.Resize(fyne.NewSize(1100, 680))
	t.Cleanup(d.window.Close)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { _ = d.ui.Run(ctx); close(stopped) }()
	t.Cleanup(func() { cancel(); <-stopped })
	d.loop.Until(t, "the state arrives", func() bool { return d.ui.State().Known })
	return d
}

// objects are all that is visible in the window.
func (d *mainDesk) objects() []fyne.CanvasObject {
	var all []fyne.CanvasObject
	roots := append([]fyne.CanvasObject{d.window.Content()}, d.window.Canvas().Overlays().List()...)
	for _, root := range roots {
		all = visible(all, root)
	}
	return all
}

// visible appends an object and all that is visible in it.
func visible(all []fyne.CanvasObject, o fyne.CanvasObject) []fyne.CanvasObject {
	if !o.Visible() {
		return all
	}
	all = append(all, o)
	var children []fyne.CanvasObject
	switch o := o.(type) {
	case *fyne.Container:
		children = o.Objects
	case fyne.Widget:
		children = test.WidgetRenderer(o).Objects()
	}
	for _, c := range children {
		all = visible(all, c)
	}
	return all
}

// texts are all words on screen.
func (d *mainDesk) texts() []string {
	var s []string
	for _, o := range d.objects() {
		if t, ok := o.(*canvas.Text); ok && t.Text != "" {
			s = append(s, t.Text)
		}
	}
	return s
}

func (d *mainDesk) reads(s string) bool {
	for _, text := range d.texts() {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// sees waits until a text is on screen.
func (d *mainDesk) sees(s string) {
	d.t.Helper()
	d.loop.Until(d.t, "see "+s, func() bool { return d.reads(s) })
}

// misses waits until a text is not on screen.
func (d *mainDesk) misses(s string) {
	d.t.Helper()
	d.loop.Until(d.t, "no longer see "+s, func() bool { return !d.reads(s) })
}

// at is the middle of the last object with a text.
func (d *mainDesk) at(s string) fyne.Position {
	d.t.Helper()
	var found fyne.CanvasObject
	for _, o := range d.objects() {
		if t, ok := o.(*canvas.Text); ok && t.Text == s {
			found = o
		}
	}
	if found == nil {
		d.t.Fatalf("%q is not on screen; these are: %q", s, d.texts())
	}
	p := d.app.Driver().AbsolutePositionForObject(found)
	return p.AddXY(min(found.MinSize().Width, found.Size().Width)/2, found.Size().Height/2)
}

// tap clicks on a text.
func (d *mainDesk) tap(s string) { d.t.Helper(); test.TapCanvas(d.window.Canvas(), d.at(s)) }

// button finds a button by its label.
func (d *mainDesk) button(label string) *widget.Button {
	d.t.Helper()
	for _, o := range d.objects() {
		if b, ok := o.(*widget.Button); ok && b.Text == label {
			return b
		}
	}
	d.t.Fatalf("no button %q; on screen are: %q", label, d.texts())
	return nil
}

// menu opens the menu of the row that shows a text.
func (d *mainDesk) menu(s string) {
	d.t.Helper()
	at := d.at(s)
	for _, o := range d.objects() {
		row, ok := o.(fyne.SecondaryTappable)
		if !ok {
			continue
		}
		p := d.app.Driver().AbsolutePositionForObject(o)
		if size := o.Size(); at.X >= p.X && at.Y >= p.Y && at.X < p.X+size.Width && at.Y < p.Y+size.Height {
			if _, isEntry := o.(*widget.Entry); !isEntry {
				test.TapSecondaryAt(row, at.Subtract(p))
				return
			}
		}
	}
	d.t.Fatalf("no row shows %q", s)
}

// entry finds a field by its hint.
func (d *mainDesk) entry(hint string) *widget.Entry {
	d.t.Helper()
	for _, o := range d.objects() {
		if e, ok := o.(*widget.Entry); ok && e.PlaceHolder == hint {
			return e
		}
	}
	d.t.Fatalf("no field %q", hint)
	return nil
}

// looksLike compares the window with the picture kept of it.
func (d *mainDesk) looksLike(name string) {
	d.t.Helper()
	d.picture(name)
	test.AssertImageMatches(d.t.(*testing.T), "main/"+name+".png", d.window.Canvas().Capture())
}

// picture keeps what the window looks like if SALLYPORT_PICTURES names a folder.
func (d *mainDesk) picture(name string) {
	d.t.Helper()
	folder := os.Getenv("SALLYPORT_PICTURES")
	if folder == "" {
		return
	}
	f, err := os.Create(filepath.Join(folder, name+".png"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, d.window.Canvas().Capture()); err != nil {
		d.t.Fatal(err)
	}
}

// theRule is the only rule of a program.
func (d *mainDesk) theRule(program string) (ui.Rule, bool) {
	rules, _ := d.control.Rules(context.Background())
	for _, r := range rules {
		if r.Program == program {
			return r, true
		}
	}
	return ui.Rule{}, false
}

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
	d.sees("a�gpj.exe")
	d.sees("x��[31m.example:80")
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
	d.sees("Allow 2 programs, ask about the others")
	test.Tap(d.button("Allow 2 programs, ask about the others"))
	d.sees("Nothing waits to be confirmed.")
	if _, ok := d.theRule("/opt/game/telemetry"); ok {
		t.Error("the program that was not checked has a rule")
	}
	if r, ok := d.theRule("/usr/bin/curl"); !ok || r.Proposed || r.Verdict != firewall.Allow {
		t.Errorf("curl's rule is %+v", r)
	}
}

func TestRulesAreAddedSearchedDisabledAndRemoved(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 10), ui.ViewPrograms)
	d.sees("Any program")
	test.Tap(d.button("Add rule…"))
	test.Type(d.entry("/usr/bin/curl, or * for any program"), "curl")
	test.Type(d.entry("any, 192.0.2.7 or 192.0.2.0/24"), "192.0.2.300")
	test.Tap(d.button("Save"))
	d.sees("Write the whole path, beginning with /.")
	d.sees("Write an address such as 192.0.2.7")
	d.picture("rule-form")
	d.entry("/usr/bin/curl, or * for any program").SetText("/usr/bin/curl")
	d.entry("any, 192.0.2.7 or 192.0.2.0/24").SetText("192.0.2.0/24")
	test.Tap(d.button("Save"))
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

// settingField is what a test needs of a setting's field.
type settingField struct {
	fyne.Focusable
	SetText func(string)
}

func (d *mainDesk) setting(value string) *settingField {
	d.t.Helper()
	for _, o := range d.objects() {
		e, ok := o.(interface {
			fyne.Focusable
			SetText(string)
			SelectedText() string
		})
		if !ok {
			continue
		}
		for _, inner := range visible(nil, o) {
			if t, ok := inner.(*canvas.Text); ok && t.Text == value {
				return &settingField{e, e.SetText}
			}
		}
	}
	d.t.Fatalf("no field holds %q", value)
	return nil
}

func TestTheKeyboardReachesEveryPage(t *testing.T) {
	d := newMainDesk(t, uitest.New(firewall.ModeAsk, 50), ui.ViewActivity)
	d.sees("firefox")
	test.FocusNext(d.window.Canvas()) // the sidebar's first line
	test.FocusNext(d.window.Canvas())
	d.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	d.sees("Built in")
}

// TestMainWindowPictures compares whole windows with pictures looked at before.
func TestMainWindowPictures(t *testing.T) {
	zone := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = zone })
	for _, w := range []struct {
		view ui.View
		look ui.Appearance
		word string
	}{
		{ui.ViewActivity, ui.Light, "firefox"}, {ui.ViewActivity, ui.Dark, "firefox"},
		{ui.ViewPrograms, ui.Dark, "Built in"}, {ui.ViewReview, ui.Light, "telemetry"}, {ui.ViewSettings, ui.Light, "Time to answer"},
	} {
		t.Run(string(w.view)+"-"+string(w.look), func(t *testing.T) {
			c := uitest.New(firewall.ModeAsk, 2000)
			if w.view != ui.ViewActivity {
				c.Propose("/usr/bin/curl", "/usr/lib/firefox/firefox", "/opt/game/telemetry")
			}
			d := newMainDesk(t, c, w.view)
			d.app.Settings().SetTheme(ui.NewTheme(w.look))
			d.loop.Run()
			d.sees(w.word)
			d.sees("Alerts on")
			d.looksLike(string(w.view) + "-" + string(w.look))
		})
	}
}
