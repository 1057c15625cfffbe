//go:build !linux && !windows

package ui

// notices sends no desktop notifications on this system.
type notices struct{}

func newNotices(func()) *notices { return &notices{} }

func (*notices) show(Prompt) {}
func (*notices) close()      {}
