package app

import (
	"context"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// seat is a login manager's seat, on a real bus.
type seat struct {
	t          *testing.T
	properties *prop.Properties
}

type activeSessionProperty struct {
	ID   string
	Path dbus.ObjectPath
}

func newSeat(t *testing.T, active string) seat {
	t.Helper()
	const path, face = "/org/freedesktop/login1/seat/seat0", "org.freedesktop.login1.Seat"
	conn := serveName(t, "org.freedesktop.login1", path, face, struct{}{})
	properties, err := prop.Export(conn, path, prop.Map{face: {"ActiveSession": {Value: session(active), Emit: prop.EmitFalse}}})
	if err != nil {
		t.Fatal(err)
	}
	return seat{t, properties}
}

func session(id string) activeSessionProperty {
	return activeSessionProperty{id, dbus.ObjectPath("/org/freedesktop/login1/session/" + id)}
}

// turnTo brings another session to the front.
func (s seat) turnTo(id string) {
	s.properties.SetMust("org.freedesktop.login1.Seat", "ActiveSession", session(id))
}

// desk is a desktop program in a session.
type desk struct {
	*link.Client
	prompts chan []ui.Prompt
}

func newDesk(t *testing.T, r *rig, id string) desk {
	t.Helper()
	d := desk{link.NewDesktopClient(r.socket, id), make(chan []ui.Prompt, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Watch(ctx, func(e ui.Event) {
			if e.Prompts != nil {
				d.prompts <- *e.Prompts
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	d.shows(t, 0)
	return d
}

// shows waits until so many questions are to be asked here.
func (d desk) shows(t *testing.T, want int) (here []ui.Prompt) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case all := <-d.prompts:
			here = nil
			for _, p := range all {
				if p.Here {
					here = append(here, p)
				}
			}
			if len(here) == want {
				return here
			}
		case <-late:
			t.Fatalf("it asks %d questions, want %d", len(here), want)
		}
	}
}

func TestTheQuestionIsAskedInOneSessionAndAnAnswerClosesIt(t *testing.T) {
	if !privileged(t) {
		t.Skip("answering from a program that is not installed needs root")
	}
	startBus(t)
	seat := newSeat(t, "2")
	r := newRig(t, firewall.ModeAsk, onlyUs)
	first, second := newDesk(t, r, "1"), newDesk(t, r, "2")

	// Nobody here owns the program: the active session is asked.
	held, _ := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	second.shows(t, 1)
	first.shows(t, 0)
	// The person turns to the other session: the question comes along.
	seat.turnTo("1")
	asked := first.shows(t, 1)
	second.shows(t, 0)
	// The owner's sessions are asked wherever the person is.
	own := attempt("/usr/bin/ssh", "192.0.2.1:22")
	own.UID = 0
	ssh, _ := r.ask(t, own)
	first.shows(t, 2)
	both := second.shows(t, 1)
	if err := second.Answer(t.Context(), ui.Answer{ID: both[0].ID, Verdict: firewall.Block}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, ssh, firewall.Block, firewall.ByRule)
	first.shows(t, 1)
	second.shows(t, 0)
	if err := first.Answer(t.Context(), ui.Answer{ID: asked[0].ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, held, firewall.Allow, firewall.ByRule)
	first.shows(t, 0)
}

func TestAllAreAskedWhereNobodyKnowsTheActiveSession(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
	r := newRig(t, firewall.ModeAsk, onlyUs)
	first, second := newDesk(t, r, "1"), newDesk(t, r, "2")
	r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	first.shows(t, 1)
	second.shows(t, 1)
}
