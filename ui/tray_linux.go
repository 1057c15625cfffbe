package ui

import (
	"fyne.io/systray"
	"github.com/godbus/dbus/v5"
)

// runTray has the tray on Fyne's loop.
func runTray(build func()) (start, stop func()) { return systray.RunWithExternalLoop(build, nil) }

// trayIcon is what the system takes as an icon: PNG.
func trayIcon(png []byte) []byte { return png }

// HasSessionBus tells whether there is a session bus, without which there is
// no tray.
func HasSessionBus() bool {
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// HasTrayHost tells whether something shows tray icons in this session.
func HasTrayHost() bool {
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		return false
	}
	defer conn.Close()
	const watcher = "org.kde.StatusNotifierWatcher"
	v, err := conn.Object(watcher, "/StatusNotifierWatcher").GetProperty(watcher + ".IsStatusNotifierHostRegistered")
	if err != nil {
		return false
	}
	registered, _ := v.Value().(bool)
	return registered
}
