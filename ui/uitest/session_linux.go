package uitest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

const (
	watcherName   = "org.kde.StatusNotifierWatcher"
	itemName      = "org.kde.StatusNotifierItem"
	menuName      = "com.canonical.dbusmenu"
	notifyName    = "org.freedesktop.Notifications"
	notification  = 7 // the number of every notification
	sessionConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="false"/><allow receive_sender="*"/></policy></busconfig>`
)

// Session is a session bus with a desktop on it: a panel, with which tray icons
// register and whose menus it clicks, and a server for notifications.
type Session struct {
	Address  string
	Sent     chan Notice // notifications that were shown
	Closed   chan uint32 // those that were taken back
	t        testing.TB
	conn     *dbus.Conn
	register chan string
	item     string
	menu     dbus.ObjectPath
}

// Notice is a notification as a person sees it.
type Notice struct{ Title, Body string }

// MenuEntry is a line of a tray icon's menu.
type MenuEntry struct {
	ID                        int32
	Checked, Visible, Enabled bool
}

// NewSession makes a session for the time of the test, and the one that this
// process uses.
func NewSession(t testing.TB) *Session {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(err)
		}
		t.Skip("dbus-daemon is not installed")
	}
	// Also for a program that another user runs.
	folder, err := os.MkdirTemp("", "sallyport-bus-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, sessionConfig, filepath.Join(folder, "bus")), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("dbus-daemon", "--config-file", config, "--nofork", "--nopidfile", "--print-address")
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
	s := &Session{
		Address: strings.TrimSpace(address), t: t,
		Sent: make(chan Notice, 64), Closed: make(chan uint32, 64), register: make(chan string, 8),
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", s.Address)
	if s.conn, err = dbus.Connect(s.Address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	s.own("/StatusNotifierWatcher", watcherName, watcher{s.register})
	if _, err := prop.Export(s.conn, "/StatusNotifierWatcher", prop.Map{watcherName: {
		"IsStatusNotifierHostRegistered": {Value: true},
	}}); err != nil {
		t.Fatal(err)
	}
	s.own("/org/freedesktop/Notifications", notifyName, notifier{s})
	return s
}

// own gives the bus an object under a name of its own.
func (s *Session) own(path dbus.ObjectPath, name string, object any) {
	s.t.Helper()
	if err := s.conn.Export(object, path, name); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil {
		s.t.Fatal(err)
	}
}

type watcher struct{ register chan string }

// RegisterStatusNotifierItem is called by a program with a tray icon.
func (w watcher) RegisterStatusNotifierItem(_ string, sender dbus.Sender) *dbus.Error {
	w.register <- string(sender)
	return nil
}

// RegisterStatusNotifierHost is called by panels; there is one already.
func (w watcher) RegisterStatusNotifierHost(string) *dbus.Error { return nil }

type notifier struct{ s *Session }

// Notify shows a notification.
func (n notifier) Notify(_ string, _ uint32, _, title, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n.s.Sent <- Notice{title, body}
	return notification, nil
}

// CloseNotification takes a notification back.
func (n notifier) CloseNotification(id uint32) *dbus.Error {
	n.s.Closed <- id
	return nil
}

// ClickNotice clicks on the notification.
func (s *Session) ClickNotice() {
	s.t.Helper()
	if err := s.conn.Emit("/org/freedesktop/Notifications", notifyName+".ActionInvoked", uint32(notification), "default"); err != nil {
		s.t.Fatal(err)
	}
}

// Await waits until a tray icon has registered.
func (s *Session) Await() {
	s.t.Helper()
	select {
	case s.item = <-s.register:
	case <-s.t.Context().Done():
		s.t.Fatal("no tray icon came")
	}
	v, err := s.conn.Object(s.item, "/StatusNotifierItem").GetProperty(itemName + ".Menu")
	if err != nil {
		s.t.Fatal(err)
	}
	s.menu = v.Value().(dbus.ObjectPath)
}

// Icon is the tray icon's picture, to be compared with others.
func (s *Session) Icon() string {
	s.t.Helper()
	v, err := s.conn.Object(s.item, "/StatusNotifierItem").GetProperty(itemName + ".IconPixmap")
	if err != nil {
		s.t.Fatal(err)
	}
	return v.String()
}

// Entries reads the tray icon's menu as a panel does, by label.
func (s *Session) Entries() map[string]MenuEntry {
	s.t.Helper()
	type line struct {
		ID    int32
		Props map[string]dbus.Variant
		Kids  []dbus.Variant
	}
	var revision uint32
	var layout line
	err := s.conn.Object(s.item, s.menu).Call(menuName+".GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &layout)
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]MenuEntry{}
	for _, kid := range layout.Kids {
		var l line
		if err := dbus.Store([]any{kid.Value()}, &l); err != nil {
			s.t.Fatal(err)
		}
		is := func(name string, otherwise bool) bool {
			switch v := l.Props[name].Value().(type) {
			case bool:
				return v
			case int32:
				return v == 1
			}
			return otherwise
		}
		label, _ := l.Props["label"].Value().(string)
		all[label] = MenuEntry{l.ID, is("toggle-state", false), is("visible", true), is("enabled", true)}
	}
	return all
}

// Click clicks on a line of the tray icon's menu.
func (s *Session) Click(label string) {
	s.t.Helper()
	e, ok := s.Entries()[label]
	if !ok {
		s.t.Fatalf("no %q in the menu", label)
	}
	err := s.conn.Object(s.item, s.menu).Call(menuName+".Event", 0, e.ID, "clicked", dbus.MakeVariant(int32(0)), uint32(0)).Err
	if err != nil {
		s.t.Fatal(err)
	}
}
