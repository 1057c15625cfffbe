//go:build !windows

package app

// tellInWindow has nothing to add to what is printed.
func tellInWindow(err error) error { return err }
