//go:build !linux

package app

// activeSession is not known here.
func activeSession() string { return "" }
