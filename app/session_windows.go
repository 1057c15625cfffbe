package app

import (
	"strconv"

	"golang.org/x/sys/windows"
)

// activeSession is the session at the computer's own screen; "" if there is
// none, as while one session takes over from another.
func activeSession() string {
	const none = 0xffffffff
	session := windows.WTSGetActiveConsoleSessionId()
	if session == none {
		return ""
	}
	return strconv.Itoa(int(session))
}
