//go:build !windows

package app

// asWritten is the path itself: in another case it is another one.
func asWritten(program string) string { return program }
