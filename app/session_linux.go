package app

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
)

// sessionPatience is how long a question waits for the login manager.
const sessionPatience = 100 * time.Millisecond

// activeSession asks the login manager which session is in front of the
// person; "" if nobody can tell.
func activeSession() string {
	ctx, cancel := context.WithTimeout(context.Background(), sessionPatience)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return ""
	}
	defer conn.Close()
	var active dbus.Variant
	err = conn.Object("org.freedesktop.login1", "/org/freedesktop/login1/seat/seat0").CallWithContext(ctx,
		"org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.login1.Seat", "ActiveSession").Store(&active)
	if err != nil {
		return ""
	}
	var session struct {
		ID   string
		Path dbus.ObjectPath
	}
	if active.Store(&session) != nil {
		return ""
	}
	return session.ID
}
