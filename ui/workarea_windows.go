package ui

import (
	"image"
	"unsafe"

	"golang.org/x/sys/windows"
)

// monitorInfo is user32's MONITORINFO.
type monitorInfo struct {
	size          uint32
	monitor, work windows.Rect
	flags         uint32
}

// workArea is where the prompt may be: the monitor that has the pointer,
// without the taskbar.
func workArea() image.Rectangle {
	const elsePrimary = 1
	var at point
	procGetCursorPos.Call(uintptr(unsafe.Pointer(&at)))
	// A POINT is passed by value, as one register.
	monitor, _, _ := procMonitorFromPoint.Call(uintptr(uint32(at.x))|uintptr(uint32(at.y))<<32, elsePrimary)
	info := monitorInfo{size: uint32(unsafe.Sizeof(monitorInfo{}))}
	procGetMonitorInfo.Call(monitor, uintptr(unsafe.Pointer(&info)))
	return rectangle(info.work)
}
