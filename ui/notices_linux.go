package ui

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	notifyName = "org.freedesktop.Notifications"
	notifyPath = "/org/freedesktop/Notifications"

	// busPatience bounds a call on the session bus.
	busPatience = 2 * time.Second
)

// notices sends one desktop notification with the question that is shown, and
// takes it back. Without a session bus or a notification server it does nothing.
type notices struct {
	clicked func()
	wake    chan struct{}

	mu     sync.Mutex
	wanted *notice // nil: none
}

type notice struct{ title, body string }

// newNotices starts the sender; clicked is called when the person clicks on
// the notification.
func newNotices(clicked func()) *notices {
	n := &notices{clicked: clicked, wake: make(chan struct{}, 1)}
	go n.run()
	return n
}

// show replaces the notification by one about a question.
func (n *notices) show(p Prompt) {
	n.want(&notice{promptTitle(p), promptWhere(p) + ". Click to answer."})
}

// close takes the notification back.
func (n *notices) close() { n.want(nil) }

func (n *notices) want(w *notice) {
	n.mu.Lock()
	n.wanted = w
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run owns the connection. It lives as long as the program.
func (n *notices) run() {
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		return
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	if conn.AddMatchSignal(dbus.WithMatchInterface(notifyName)) != nil {
		return
	}
	server := conn.Object(notifyName, notifyPath)
	var id uint32
	for {
		select {
		case <-n.wake:
			n.mu.Lock()
			w := n.wanted
			n.mu.Unlock()
			id = send(server, id, w)
		case s, ok := <-signals:
			if !ok {
				return
			}
			if s.Name == notifyName+".ActionInvoked" && len(s.Body) == 2 && s.Body[0] == id && id != 0 {
				n.clicked()
			}
		}
	}
}

// send makes the notification id be w and returns its new id.
func send(server dbus.BusObject, id uint32, w *notice) uint32 {
	ctx, cancel := context.WithTimeout(context.Background(), busPatience)
	defer cancel()
	if w == nil {
		if id != 0 {
			server.CallWithContext(ctx, notifyName+".CloseNotification", 0, id)
		}
		return 0
	}
	// Servers may read the body as markup, and names come from programs.
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	hints := map[string]dbus.Variant{
		"urgency":       dbus.MakeVariant(byte(2)),
		"desktop-entry": dbus.MakeVariant("sallyport"),
	}
	var got uint32
	err := server.CallWithContext(ctx, notifyName+".Notify", 0, "Sallyport", id, "security-high",
		w.title, escape.Replace(w.body), []string{"default", "Answer"}, hints, int32(-1)).Store(&got)
	if err != nil {
		return 0
	}
	return got
}
