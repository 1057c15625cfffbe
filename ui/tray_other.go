//go:build !linux && !windows

package ui

import "fyne.io/systray"

func runTray(build func()) (start, stop func()) { return systray.RunWithExternalLoop(build, nil) }

func trayIcon(png []byte) []byte { return png }

// HasSessionBus is true where the tray needs none.
func HasSessionBus() bool { return true }

// HasTrayHost is true where every session shows tray icons.
func HasTrayHost() bool { return true }
