package ui

import (
	"context"
	"fmt"
	"time"

	"fyne.io/systray"

	"sallyport.dev/sallyport/assets"
	"sallyport.dev/sallyport/firewall"
)

// Labels of the tray's menu.
const (
	textTrayFirewall = "Firewall on"
	textTrayAsk      = "Ask about new programs"
	textTrayLock     = "Lock all traffic"
	textTrayOff      = "Off for 10 minutes"
	textTrayLearn    = "Learn for an hour"
	textTrayPrompt   = "Answer the question"
	textTrayActivity = "Open activity log"
	textTrayPrograms = "Open programs"
	textTraySettings = "Open settings"
	textTrayQuit     = "Quit"
)

// tray is the icon in the desktop's panel and its menu. It uses Fyne's
// goroutine only, apart from start.
type tray struct {
	u      *UI
	state  State
	before firewall.Mode // the mode to return to from off and lock

	ready                     bool
	icon                      string
	tooltip                   string
	firewall, asking, lock    *trayItem
	off, learn                *trayItem
	prompt, restart, recover_ *trayItem
}

// trayItem remembers what was shown, so that only changes go over the bus.
type trayItem struct {
	*systray.MenuItem
	title   string
	checked bool
	hidden  bool
}

func newTray(u *UI) *tray { return &tray{u: u} }

// RunTray returns what to call once Fyne runs, and when it has ended. A
// process has one tray.
func (u *UI) RunTray() (start, stop func()) {
	t := u.tray
	systray.SetOnTapped(func() { u.do(u.ShowPromptOrMain) })
	return runTray(t.build)
}

// ShowPromptOrMain answers a click on the icon, or another start of the program:
// a question that waits gets the keys, else the main window opens.
func (u *UI) ShowPromptOrMain() {
	if !u.prompt.focus() {
		u.ShowActivity()
	}
}

// build makes the menu, on a goroutine of systray.
func (t *tray) build() {
	systray.SetTitle("Sallyport")
	systray.SetIcon(trayIcon(assets.TrayAsking))
	check := func(label string, f func()) *trayItem {
		return t.listen(systray.AddMenuItemCheckbox(label, "", false), label, f)
	}
	item := func(label string, f func()) *trayItem {
		return t.listen(systray.AddMenuItem(label, ""), label, f)
	}
	prompt := item(textTrayPrompt, func() { t.u.prompt.focus() })
	prompt.Hide()
	firewallOn := check(textTrayFirewall, t.toggleFirewall)
	asking := check(t.askLabel(), t.toggleAsking)
	lock := check(textTrayLock, t.toggleLock)
	off := item(textTrayOff, func() { t.setModeFor(firewall.ModeOff, 10*time.Minute) })
	learn := item(textTrayLearn, func() { t.setModeFor(firewall.ModeLearn, time.Hour) })
	systray.AddSeparator()
	restart := item(textRestart, func() { t.repair(t.u.options.Restart) })
	restart.Hide()
	undo := item(textRecover, func() { t.repair(t.u.options.Recover) })
	undo.Hide()
	item(textTrayActivity, func() { t.u.ShowMain(ViewActivity) })
	item(textTrayPrograms, func() { t.u.ShowMain(ViewPrograms) })
	item(textTraySettings, func() { t.u.ShowMain(ViewSettings) })
	systray.AddSeparator()
	item(textTrayQuit, t.u.quit)
	prompt.hidden, restart.hidden, undo.hidden = true, true, true
	t.u.do(func() {
		t.prompt, t.firewall, t.asking, t.lock, t.restart, t.recover_ = prompt, firewallOn, asking, lock, restart, undo
		t.off, t.learn = off, learn
		t.ready = true
		t.show()
	})
}

// listen calls f on Fyne's goroutine for each click. Nobody waiting would lose
// the click, so each item has a goroutine, for the life of the program.
func (t *tray) listen(m *systray.MenuItem, label string, f func()) *trayItem {
	go func() {
		for range m.ClickedCh {
			t.u.do(f)
		}
	}()
	return &trayItem{MenuItem: m, title: label}
}

// Changed takes over the engine's state.
func (t *tray) Changed(s State) {
	t.state = s
	if s.Known && !s.Gone {
		if m := s.Status.lasting(); m != firewall.ModeOff && m != firewall.ModeLock {
			t.before = m
		}
	}
	t.show()
}

// show brings icon and menu up to date.
func (t *tray) show() {
	if !t.ready {
		return
	}
	s, live := t.state, t.state.Known && !t.state.Gone
	mode := s.Status.Mode
	t.showIcon()
	for _, i := range []*trayItem{t.firewall, t.asking, t.lock, t.off, t.learn} {
		i.setEnabled(live)
	}
	t.firewall.setChecked(live && mode != firewall.ModeOff)
	t.asking.setChecked(live && mode == firewall.ModeAsk)
	t.asking.setTitle(t.askLabel())
	t.lock.setChecked(live && mode == firewall.ModeLock)
	t.prompt.setHidden(len(s.Prompts) == 0)
	t.restart.setHidden(!s.Gone || t.u.options.Restart == nil)
	t.recover_.setHidden(!s.Gone || t.u.options.Recover == nil)
}

func (t *tray) showIcon() {
	icon, png, tooltip := "asking", assets.TrayAsking, "Sallyport asks about new programs"
	s := t.state
	switch {
	case s.Gone || !s.Known:
		icon, png, tooltip = "gone", assets.TrayGone, "Sallyport: the engine does not answer"
	case len(s.Prompts) > 0:
		icon, png, tooltip = "waiting", assets.TrayWaiting, "Sallyport: "+plural(len(s.Prompts), "question waits", "questions wait")
	case s.Status.Mode == firewall.ModeOff:
		icon, png, tooltip = "off", assets.TrayOff, "Sallyport is off: everything passes"
		if end := modeEndText(s.Status); end != "" {
			tooltip = "Sallyport is off " + end
		}
	case s.Status.Mode == firewall.ModeLock:
		icon, png, tooltip = "locked", assets.TrayLocked, "Sallyport: all traffic is locked"
	case s.Status.Mode == firewall.ModeLearn:
		tooltip = "Sallyport learns " + modeEndText(s.Status)
	case s.Status.Mode != firewall.ModeAsk:
		tooltip = fmt.Sprintf("Sallyport: unknown programs are %s", unaskedWord(s.Status.Mode.String()))
	}
	if icon != t.icon {
		t.icon = icon
		systray.SetIcon(trayIcon(png))
	}
	if tooltip != t.tooltip {
		t.tooltip = tooltip
		systray.SetTooltip(tooltip)
	}
}

// askLabel says what is or would be done with unknown programs unasked.
func (t *tray) askLabel() string {
	unasked := t.u.settings["unknown"]
	if m := t.state.Status.Mode; t.state.Known && (m == firewall.ModeAllow || m == firewall.ModeBlock) {
		unasked = m.String()
	}
	return fmt.Sprintf("%s (off: unknown is %s)", textTrayAsk, unaskedWord(unasked))
}

func unaskedWord(verdict string) string {
	if verdict == "allow" {
		return "allowed"
	}
	return "blocked"
}

func (t *tray) toggleFirewall() {
	if t.state.Status.Mode == firewall.ModeOff {
		t.setMode(t.before)
	} else {
		t.setMode(firewall.ModeOff)
	}
}

func (t *tray) toggleLock() {
	if t.state.Status.Mode == firewall.ModeLock {
		t.setMode(t.before)
	} else {
		t.setMode(firewall.ModeLock)
	}
}

func (t *tray) toggleAsking() {
	if t.state.Status.Mode != firewall.ModeAsk {
		t.setMode(firewall.ModeAsk)
		return
	}
	// The setting may have changed since it was read.
	t.u.work(func(ctx context.Context) error {
		all, err := t.u.control.Settings(ctx)
		if err != nil {
			return err
		}
		mode := firewall.ModeBlock
		for _, s := range all {
			if s.Name == "unknown" && s.Value == "allow" {
				mode = firewall.ModeAllow
			}
		}
		return t.u.control.SetMode(ctx, mode)
	}, t.done)
}

func (t *tray) setMode(m firewall.Mode) {
	t.u.work(func(ctx context.Context) error { return t.u.control.SetMode(ctx, m) }, t.done)
}

func (t *tray) setModeFor(m firewall.Mode, d time.Duration) {
	t.u.work(func(ctx context.Context) error { return t.u.control.SetModeFor(ctx, m, d) }, t.done)
}

func (t *tray) repair(f func(context.Context) error) {
	if f != nil {
		t.u.work(f, t.done)
	}
}

// done shows what went wrong in the main window, since the tray cannot.
func (t *tray) done(err error) {
	if err != nil {
		t.u.ShowActivity()
		t.u.fail(err)
	}
	// A panel has ticked the box by itself already.
	t.show()
}

func (i *trayItem) setTitle(s string) {
	if i.title != s {
		i.title = s
		i.SetTitle(s)
	}
}

func (i *trayItem) setChecked(checked bool) {
	if i.checked == checked {
		return
	}
	i.checked = checked
	if checked {
		i.Check()
	} else {
		i.Uncheck()
	}
}

func (i *trayItem) setEnabled(enabled bool) {
	switch {
	case enabled && i.Disabled():
		i.Enable()
	case !enabled && !i.Disabled():
		i.Disable()
	}
}

func (i *trayItem) setHidden(hidden bool) {
	if i.hidden == hidden {
		return
	}
	i.hidden = hidden
	if hidden {
		i.Hide()
	} else {
		i.Show()
	}
}
