//go:build !linux

package app

// onHandOver does nothing: no engine takes over from another here.
func onHandOver(func()) func() { return func() {} }
