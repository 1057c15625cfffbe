//go:build !linux

package app

// ownInterpreter is "": scripts are told apart on Linux only.
func ownInterpreter(string) string { return "" }
