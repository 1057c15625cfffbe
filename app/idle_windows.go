package app

import (
	"context"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// systemIdle is not known: a service has no session of its own.
func systemIdle(context.Context) (idle time.Duration, known bool) { return 0, false }

var getLastInputInfo = windows.NewLazySystemDLL("user32.dll").NewProc("GetLastInputInfo")

// desktopIdle is how long nobody used this session's keys or mouse.
func desktopIdle() (idle time.Duration, known bool) {
	last := struct{ size, tick uint32 }{size: 8} // LASTINPUTINFO
	if ok, _, _ := getLastInputInfo.Call(uintptr(unsafe.Pointer(&last))); ok == 0 {
		return 0, false
	}
	// Both count milliseconds in 32 bits, and begin again together.
	now := uint32(windows.DurationSinceBoot() / time.Millisecond)
	return time.Duration(now-last.tick) * time.Millisecond, true
}
