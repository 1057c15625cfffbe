//go:build !linux

package ui

import "fyne.io/fyne/v2"

// placement leaves the prompt where the system puts it.
type placement struct{}

func newPlacement() *placement { return &placement{} }

func (*placement) put(fyne.Window, fyne.Size) bool { return false }
func (*placement) focus(fyne.Window)               {}
