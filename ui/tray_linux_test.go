//go:build !race

// fyne.io/systray reads its menu for the panel while it is refreshed: a race
// of its own that would hide ours. These tests run without the detector.

package ui_test

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"
	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

const watcherName = "org.kde.StatusNotifierWatcher"

// panel stands for a desktop's panel: tray icons register with it.
type panel struct {
	conn  *dbus.Conn
	items chan string
	item  string
	menu  dbus.ObjectPath
}

func (p *panel) RegisterStatusNotifierItem(path string, sender dbus.Sender) *dbus.Error {
	p.items <- string(sender)
	return nil
}

func (p *panel) RegisterStatusNotifierHost(string) *dbus.Error { return nil }

// newPanel starts a session bus with a panel on it.
func newPanel(t *testing.T) *panel {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		missing(t, "dbus-daemon is not installed")
	}
	daemon := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address",
		"--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Process.Kill(); daemon.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(address))
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &panel{conn: conn, items: make(chan string, 1)}
	if err := conn.Export(p, "/StatusNotifierWatcher", watcherName); err != nil {
		t.Fatal(err)
	}
	if _, err := prop.Export(conn, "/StatusNotifierWatcher", prop.Map{watcherName: {
		"IsStatusNotifierHostRegistered": {Value: true},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(watcherName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return p
}

// entry is a line of the tray's menu.
type entry struct {
	id      int32
	checked bool
	visible bool
	enabled bool
}

// entries reads the menu as a panel does.
func (p *panel) entries(t *testing.T) map[string]entry {
	t.Helper()
	var revision uint32
	type line struct {
		ID    int32
		Props map[string]dbus.Variant
		Kids  []dbus.Variant
	}
	var layout line
	err := p.conn.Object(p.item, p.menu).Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &layout)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]entry{}
	for _, kid := range layout.Kids {
		var line line
		if err := dbus.Store([]any{kid.Value()}, &line); err != nil {
			t.Fatal(err)
		}
		is := func(name string, otherwise bool) bool {
			switch v := line.Props[name].Value().(type) {
			case bool:
				return v
			case int32:
				return v == 1
			}
			return otherwise
		}
		label, _ := line.Props["label"].Value().(string)
		all[label] = entry{line.ID, is("toggle-state", false), is("visible", true), is("enabled", true)}
	}
	return all
}

// click clicks on a line of the menu.
func (p *panel) click(t *testing.T, label string) {
	t.Helper()
	e, ok := p.entries(t)[label]
	if !ok {
		t.Fatalf("no %q in the menu", label)
	}
	err := p.conn.Object(p.item, p.menu).Call("com.canonical.dbusmenu.Event", 0, e.id, "clicked", dbus.MakeVariant(int32(0)), uint32(0)).Err
	if err != nil {
		t.Fatal(err)
	}
}

// One process has one tray, so this is one story.
func TestTray(t *testing.T) {
	t.Setenv("DISPLAY", "")
	p := newPanel(t)
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
	p.item = <-p.items
	v, err := p.conn.Object(p.item, "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem.Menu")
	if err != nil {
		t.Fatal(err)
	}
	p.menu = v.Value().(dbus.ObjectPath)

	mode := func() firewall.Mode {
		s, _ := control.Status(ctx)
		return s.Mode
	}
	becomes := func(what string, want firewall.Mode, holds func(map[string]entry) bool) {
		t.Helper()
		loop.Until(t, what, func() bool { return mode() == want && holds(p.entries(t)) })
	}
	const firewallOn, ask, lock = "Firewall on", "Ask about new programs (off: unknown is blocked)", "Lock all traffic"
	const askAllowed = "Ask about new programs (off: unknown is allowed)"
	becomes("the boxes are ticked", firewall.ModeAsk, func(m map[string]entry) bool { return m[firewallOn].checked && m[ask].checked && !m[lock].checked })
	p.click(t, firewallOn)
	becomes("the firewall is off", firewall.ModeOff, func(m map[string]entry) bool { return !m[firewallOn].checked && !m[ask].checked })
	p.click(t, firewallOn)
	becomes("the firewall is on again and asks", firewall.ModeAsk, func(m map[string]entry) bool { return m[firewallOn].checked && m[ask].checked })
	p.click(t, lock)
	becomes("all traffic is locked", firewall.ModeLock, func(m map[string]entry) bool { return m[lock].checked })
	p.click(t, lock)
	becomes("it is unlocked and asks", firewall.ModeAsk, func(m map[string]entry) bool { return !m[lock].checked && m[ask].checked })
	p.click(t, ask)
	becomes("unknown programs are blocked", firewall.ModeBlock, func(m map[string]entry) bool { return !m[ask].checked })
	p.click(t, ask)
	becomes("it asks again", firewall.ModeAsk, func(m map[string]entry) bool { return m[ask].checked })
	if err := control.SetSetting(ctx, "unknown", "allow"); err != nil {
		t.Fatal(err)
	}
	becomes("the menu says allowed", firewall.ModeAsk, func(m map[string]entry) bool { return m[askAllowed].checked })
	p.click(t, askAllowed)
	becomes("unknown programs are allowed", firewall.ModeAllow, func(m map[string]entry) bool { return !m[askAllowed].checked })

	icons := map[string]string{}
	icon := func(state string) {
		v, err := p.conn.Object(p.item, "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem.IconPixmap")
		if err != nil {
			t.Fatal(err)
		}
		for other, picture := range icons {
			if picture == v.String() {
				t.Errorf("the icon is the same for %s and %s", state, other)
			}
		}
		icons[state] = v.String()
	}
	icon("asking")
	control.Go(true)
	loop.Until(t, "the menu offers to restart", func() bool { e := p.entries(t)["Restart engine"]; return e.visible && e.id != 0 })
	if p.entries(t)[lock].enabled {
		t.Error("locking is offered although the engine is gone")
	}
	icon("gone")
	p.click(t, "Restart engine")
	loop.Until(t, "the engine is back", func() bool { return p.entries(t)[lock].enabled })
	p.click(t, "Open settings")
	p.click(t, "Quit")
	loop.Until(t, "it quits", func() bool { return quit })
}
