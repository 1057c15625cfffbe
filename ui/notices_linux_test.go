//go:build !race

package ui_test

import (
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

func TestANotificationComesWithTheQuestionAndLeadsToIt(t *testing.T) {
	d := newDesk(t, ui.Dark)
	n := uitest.NewSession(t)
	d.ask(question("1", func(p *ui.Prompt) { p.Host = "a<b>&.example" }))
	got := receive(t, n.Sent)
	if got.Title != "updater wants to connect" || !strings.Contains(got.Body, "a&lt;b&gt;&amp;.example:8080") {
		t.Errorf("notified %q", got)
	}
	d.settle()
	n.ClickNotice()
	// The keys go to the question, which therefore takes no input for a while.
	d.loop.Until(t, "the question is guarded anew", d.Shielded)
	d.control.Ask()
	d.loop.Until(t, "the prompt goes", func() bool { return !d.Visible() })
	if id := receive(t, n.Closed); id != 7 {
		t.Errorf("notification %d was taken back", id)
	}
}

func TestNoNotificationComesOnceTheyAreOff(t *testing.T) {
	d := newDesk(t, ui.Dark)
	n := uitest.NewSession(t)
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
	if got := receive(t, n.Sent); got.Title != "loud wants to connect" {
		t.Errorf("notified %q", got.Title)
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
