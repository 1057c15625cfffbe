//go:build !race

// fyne.io/systray reads its menu for the panel while it is refreshed: a race
// of its own that would hide ours. These tests run without the detector.

package ui_test

import (
	"context"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// One process has one tray, so this is one story.
func TestTray(t *testing.T) {
	t.Setenv("DISPLAY", "")
	p := uitest.NewSession(t)
	if !ui.HasTrayHost() {
		t.Error("the panel is not found")
	}
	a := test.NewTempApp(t)
	a.Settings().SetTheme(ui.NewTheme(ui.Dark))
	control, loop := uitest.New(firewall.ModeAsk, 0), uitest.NewLoop()
	quit := false
	u := ui.New(a, control, ui.Options{Do: loop.Do, Quit: func() { quit = true },
		Restart: func(context.Context) error { control.Go(false); return nil }})
	start, stop := u.RunTray()
	start()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); u.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	// The windows' goroutine must be awake to look at the menu again.
	wake := time.NewTicker(10 * time.Millisecond)
	defer wake.Stop()
	go func() {
		for {
			select {
			case <-wake.C:
				loop.Do(func() {})
			case <-ctx.Done():
				return
			}
		}
	}()
	p.Await()

	mode := func() firewall.Mode {
		s, _ := control.Status(ctx)
		return s.Mode
	}
	becomes := func(what string, want firewall.Mode, holds func(map[string]uitest.MenuEntry) bool) {
		t.Helper()
		loop.Until(t, what, func() bool { return mode() == want && holds(p.Entries()) })
	}
	const firewallOn, ask, lock = "Firewall on", "Ask about new programs (off: unknown is blocked)", "Lock all traffic"
	const askAllowed = "Ask about new programs (off: unknown is allowed)"
	becomes("the boxes are ticked", firewall.ModeAsk, func(m map[string]uitest.MenuEntry) bool {
		return m[firewallOn].Checked && m[ask].Checked && !m[lock].Checked
	})
	p.Click(firewallOn)
	becomes("the firewall is off", firewall.ModeOff, func(m map[string]uitest.MenuEntry) bool { return !m[firewallOn].Checked && !m[ask].Checked })
	p.Click(firewallOn)
	becomes("the firewall is on again and asks", firewall.ModeAsk, func(m map[string]uitest.MenuEntry) bool { return m[firewallOn].Checked && m[ask].Checked })
	p.Click(lock)
	becomes("all traffic is locked", firewall.ModeLock, func(m map[string]uitest.MenuEntry) bool { return m[lock].Checked })
	p.Click(lock)
	becomes("it is unlocked and asks", firewall.ModeAsk, func(m map[string]uitest.MenuEntry) bool { return !m[lock].Checked && m[ask].Checked })
	p.Click("Off for 10 minutes")
	becomes("the firewall is off for a time", firewall.ModeOff, func(m map[string]uitest.MenuEntry) bool { return !m[firewallOn].Checked })
	if s, _ := control.Status(ctx); s.ModeUntil == nil {
		t.Error("the mode does not end")
	}
	p.Click(firewallOn)
	becomes("it is on before that", firewall.ModeAsk, func(m map[string]uitest.MenuEntry) bool { return m[firewallOn].Checked && m[ask].Checked })
	p.Click(ask)
	becomes("unknown programs are blocked", firewall.ModeBlock, func(m map[string]uitest.MenuEntry) bool { return !m[ask].Checked })
	p.Click(ask)
	becomes("it asks again", firewall.ModeAsk, func(m map[string]uitest.MenuEntry) bool { return m[ask].Checked })
	if err := control.SetSetting(ctx, "unknown", "allow"); err != nil {
		t.Fatal(err)
	}
	becomes("the menu says allowed", firewall.ModeAsk, func(m map[string]uitest.MenuEntry) bool { return m[askAllowed].Checked })
	p.Click(askAllowed)
	becomes("unknown programs are allowed", firewall.ModeAllow, func(m map[string]uitest.MenuEntry) bool { return !m[askAllowed].Checked })

	icons := map[string]string{}
	icon := func(state string) {
		v := p.Icon()
		for other, picture := range icons {
			if picture == v {
				t.Errorf("the icon is the same for %s and %s", state, other)
			}
		}
		icons[state] = v
	}
	icon("asking")
	control.Go(true)
	loop.Until(t, "the menu offers to restart", func() bool { e := p.Entries()["Restart engine"]; return e.Visible && e.ID != 0 })
	if p.Entries()[lock].Enabled {
		t.Error("locking is offered although the engine is gone")
	}
	icon("gone")
	p.Click("Restart engine")
	loop.Until(t, "the engine is back", func() bool { return p.Entries()[lock].Enabled })
	p.Click("Open settings")
	p.Click("Quit")
	loop.Until(t, "it quits", func() bool { return quit })
}
