package app

import (
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"golang.org/x/sys/unix"
)

func TestTheLoginManagerTellsHowLongNobodyWasHere(t *testing.T) {
	if _, known := func() (time.Duration, bool) {
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
		return systemIdle(t.Context())
	}(); known {
		t.Error("known without a bus")
	}
	startBus(t)
	const path, face = dbus.ObjectPath("/org/freedesktop/login1"), "org.freedesktop.login1.Manager"
	conn := serveName(t, "org.freedesktop.login1", path, face, struct{}{})
	if _, known := systemIdle(t.Context()); known {
		t.Error("known without the property")
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	properties, err := prop.Export(conn, path, prop.Map{face: {
		"IdleHint": {Value: false, Emit: prop.EmitFalse}, "IdleSinceHintMonotonic": {Value: uint64(now.Nano()) / 1000, Emit: prop.EmitFalse},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if idle, known := systemIdle(t.Context()); idle != 0 || !known {
		t.Errorf("somebody is here: %v, %t", idle, known)
	}
	properties.SetMust(face, "IdleHint", true)
	properties.SetMust(face, "IdleSinceHintMonotonic", uint64(now.Nano()-int64(time.Second))/1000)
	if idle, known := systemIdle(t.Context()); idle < time.Second || idle > time.Hour || !known {
		t.Errorf("nobody is here: %v, %t", idle, known)
	}
}
