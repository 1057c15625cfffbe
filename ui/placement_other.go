//go:build !linux && !windows

package ui

import "fyne.io/fyne/v2"

// placement leaves the prompt where the system puts it.
type placement struct{}

func newPlacement() *placement { return &placement{} }

func (*placement) put(fyne.Window, fyne.Size) bool { return false }
func (*placement) works() bool                     { return false }
func (*placement) park(fyne.Window) bool           { return false }
func (*placement) unpark(fyne.Window)              {}
func (*placement) focus(fyne.Window)               {}

func (*placement) newWindow(a fyne.App, title string) fyne.Window { return a.NewWindow(title) }
