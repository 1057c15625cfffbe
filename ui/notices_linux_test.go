//go:build !race

package ui_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"sallyport.dev/sallyport/ui"
)

const notifications = "org.freedesktop.Notifications"

// notified is a notification as the desktop gets it.
type notified struct{ title, body string }

// notifier stands for a desktop's notification server.
type notifier struct {
	sent   chan notified
	closed chan uint32
}

func (n *notifier) Notify(_ string, _ uint32, _, title, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n.sent <- notified{title, body}
	return 7, nil
}

func (n *notifier) CloseNotification(id uint32) *dbus.Error {
	n.closed <- id
	return nil
}

func newNotifier(t *testing.T, p *panel) *notifier {
	t.Helper()
	n := &notifier{make(chan notified, 8), make(chan uint32, 8)}
	if err := p.conn.Export(n, "/org/freedesktop/Notifications", notifications); err != nil {
		t.Fatal(err)
	}
	if _, err := p.conn.RequestName(notifications, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestANotificationComesWithTheQuestionAndLeadsToIt(t *testing.T) {
	d := newDesk(t, ui.Dark)
	p := newPanel(t)
	n := newNotifier(t, p)
	d.ask(question("1", func(p *ui.Prompt) { p.Host = "a<b>&.example" }))
	got := receive(t, n.sent)
	if got.title != "updater wants to connect" || !strings.Contains(got.body, "a&lt;b&gt;&amp;.example:8080") {
		t.Errorf("notified %q", got)
	}
	d.settle()
	if err := p.conn.Emit("/org/freedesktop/Notifications", notifications+".ActionInvoked", uint32(7), "default"); err != nil {
		t.Fatal(err)
	}
	// The keys go to the question, which therefore takes no input for a while.
	d.loop.Until(t, "the question is guarded anew", d.Shielded)
	d.control.Ask()
	d.loop.Until(t, "the prompt goes", func() bool { return !d.Visible() })
	if id := receive(t, n.closed); id != 7 {
		t.Errorf("notification %d was taken back", id)
	}
}

func TestNoNotificationComesOnceTheyAreOff(t *testing.T) {
	d := newDesk(t, ui.Dark)
	n := newNotifier(t, newPanel(t))
	set := func(value string) {
		t.Helper()
		if err := d.control.SetSetting(t.Context(), "notifications", value); err != nil {
			t.Fatal(err)
		}
		d.loop.Until(t, "the windows know", func() bool { return d.Setting("notifications") == value })
	}
	set("off")
	d.ask(question("1", func(p *ui.Prompt) { p.Name = "silent" }))
	d.control.Ask()
	d.loop.Until(t, "the prompt goes", func() bool { return !d.Visible() })
	set("on")
	d.ask(question("2", func(p *ui.Prompt) { p.Name = "loud" }))
	if got := receive(t, n.sent); got.title != "loud wants to connect" {
		t.Errorf("notified %q", got.title)
	}
}

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came within 20 s")
	}
	return v
}
