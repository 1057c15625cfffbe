package ui

import (
	"bytes"
	"image/png"
	"runtime"
	"unsafe"

	"fyne.io/systray"
	"github.com/fyne-io/image/ico"
	"golang.org/x/sys/windows"
)

// runTray has the tray on a thread of its own: while its menu is open, that
// thread does nothing else, and Fyne's must go on to show a question.
func runTray(build func()) (start, stop func()) {
	start = func() {
		go func() {
			runtime.LockOSThread()
			systray.Run(build, nil)
		}()
	}
	return start, systray.Quit
}

// trayIcon is what the system takes as an icon: PNG inside ICO.
func trayIcon(b []byte) []byte {
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		panic(err) // our own icons are PNG
	}
	var out bytes.Buffer
	if err := ico.Encode(&out, m); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// HasSessionBus is true: the tray needs none here.
func HasSessionBus() bool { return true }

// HasTrayHost tells whether a taskbar runs in this session, which shows the icon.
func HasTrayHost() bool {
	class := utf16Pointer("Shell_TrayWnd")
	taskbar, _, _ := procFindWindow.Call(uintptr(unsafe.Pointer(class)), 0)
	return taskbar != 0
}

func utf16Pointer(s string) *uint16 {
	p, err := windows.UTF16PtrFromString(s)
	if err != nil {
		panic(err) // only constants are given
	}
	return p
}
