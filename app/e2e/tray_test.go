//go:build linux

package e2e

import (
	"image"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui/uitest"
)

// The tray of the program, started as a session starts it, clicked by label
// over the bus, and a notification that is clicked.
func TestTheTrayAndTheNotification(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1280, 800)
	s.managed()
	bus := uitest.NewSession(t)
	d := launch(t, s, p.installed, []string{"--hidden", "--socket", p.socket}, "DBUS_SESSION_BUS_ADDRESS="+bus.Address)
	bus.Await()
	mode := func(want firewall.Mode) {
		t.Helper()
		poll(t, "the mode is "+want.String(), func() bool {
			s, err := link.NewClient(p.socket).Status(t.Context())
			return err == nil && s.Mode == want
		})
	}
	const lock, open, restart = "Lock all traffic", "Open activity log", "Restart engine"
	const ask = "Ask about new programs (off: unknown is blocked)"
	poll(t, "the menu is live", func() bool { return bus.Entries()[lock].Enabled })
	if _, shown := d.inspect().Windows["main"]; shown {
		t.Error("a window opens although there is a tray")
	}

	terminal := s.other(image.Rect(100, 100, 600, 500)).show()
	p.dial("/usr/bin/first")
	prompt := d.waitForPrompt()
	if n := <-bus.Sent; n.Title != "first wants to connect" {
		t.Errorf("notified %q", n)
	}
	if s.active() != terminal.id {
		t.Error("the prompt has taken the focus")
	}
	bus.ClickNotice()
	poll(t, "the prompt has the focus", func() bool { return s.active() == prompt.Windows["prompt"].XID })
	d.takesInput(prompt.Prompt)
	s.press('a')
	p.decided("/usr/bin/first", "allow", 1)
	<-bus.Closed

	bus.Click(ask)
	mode(firewall.ModeBlock)
	poll(t, "the box is not ticked", func() bool { return !bus.Entries()[ask].Checked })
	bus.Click(ask)
	mode(firewall.ModeAsk)
	bus.Click("Learn for an hour")
	mode(firewall.ModeLearn)
	p.dial("/usr/bin/pupil")
	p.decided("/usr/bin/pupil", "allow", 1)
	p.mode(firewall.ModeAsk)
	bus.Click(open)
	d.sees("main", "Rules are proposed for what 1 program did while learning.")
	// Nobody here can be asked for a password, and locking wants one.
	bus.Click(lock)
	d.sees("main", "polkit")
	if bus.Entries()[lock].Checked {
		t.Error("the menu says that all traffic is locked")
	}
	bus.Click(open)
	d.sees("main", "Activity")
	live := bus.Icon()
	stopped := time.Now()
	end(p.engine)
	poll(t, "the tray offers to restart the engine", func() bool { return bus.Entries()[restart].Visible })
	if took := time.Since(stopped); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if bus.Icon() == live {
		t.Error("the icon is the same without an engine")
	}
	bus.Click("Quit")
	poll(t, "the program ends", func() bool { return d.ended() })
}
