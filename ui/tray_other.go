//go:build !linux

package ui

// HasSessionBus is true where the tray needs none.
func HasSessionBus() bool { return true }

// HasTrayHost is true where every session shows tray icons.
func HasTrayHost() bool { return true }
