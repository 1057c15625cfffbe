package app

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// systemIdle asks the login manager how long no session was used. A desktop
// tells it that its session is idle some minutes after the last key.
func systemIdle(ctx context.Context) (idle time.Duration, known bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return 0, false
	}
	defer conn.Close()
	var all map[string]dbus.Variant
	err = conn.Object("org.freedesktop.login1", "/org/freedesktop/login1").CallWithContext(ctx,
		"org.freedesktop.DBus.Properties.GetAll", 0, "org.freedesktop.login1.Manager").Store(&all)
	if err != nil {
		return 0, false
	}
	hint, known := all["IdleHint"].Value().(bool)
	since, told := all["IdleSinceHintMonotonic"].Value().(uint64)
	if !known || !hint {
		return 0, known
	}
	var now unix.Timespec
	if !told || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0, true
	}
	return max(0, time.Duration(now.Nano())-time.Duration(since)*time.Microsecond), true
}

// desktopIdle tells nothing that the login manager does not tell the engine.
func desktopIdle() (idle time.Duration, known bool) { return 0, false }
