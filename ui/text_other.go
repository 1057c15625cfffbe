//go:build !windows

package ui

// What differs on Windows in what is said.
const (
	textGoneMore         = "Programs that were decided keep their decision. New ones are blocked, or pass if the engine was set to fail open."
	textFailsClosedMeans = "undecided connections stay blocked"
	textFailsOpenMeans   = "undecided connections pass"
	textWholePath        = "write the whole path, beginning with /"
)
