package ui

import (
	"image"

	"golang.org/x/sys/windows"
)

// What the windows need of the system beside Fyne.
var (
	user32  = windows.NewLazySystemDLL("user32.dll")
	gdi32   = windows.NewLazySystemDLL("gdi32.dll")
	shell32 = windows.NewLazySystemDLL("shell32.dll")

	procFindWindow       = user32.NewProc("FindWindowW")
	procSetWindowPos     = user32.NewProc("SetWindowPos")
	procGetWindowLong    = user32.NewProc("GetWindowLongPtrW")
	procSetWindowLong    = user32.NewProc("SetWindowLongPtrW")
	procSetForeground    = user32.NewProc("SetForegroundWindow")
	procSetWindowRgn     = user32.NewProc("SetWindowRgn")
	procGetCursorPos     = user32.NewProc("GetCursorPos")
	procMonitorFromPoint = user32.NewProc("MonitorFromPoint")
	procGetMonitorInfo   = user32.NewProc("GetMonitorInfoW")
	procRegisterClass    = user32.NewProc("RegisterClassExW")
	procCreateWindow     = user32.NewProc("CreateWindowExW")
	procDefWindowProc    = user32.NewProc("DefWindowProcW")
	procGetMessage       = user32.NewProc("GetMessageW")
	procDispatchMessage  = user32.NewProc("DispatchMessageW")
	procCreateIcon       = user32.NewProc("CreateIconFromResourceEx")
	procDestroyIcon      = user32.NewProc("DestroyIcon")
	procGetIconInfo      = user32.NewProc("GetIconInfo")
	procGetDC            = user32.NewProc("GetDC")
	procReleaseDC        = user32.NewProc("ReleaseDC")

	procCreateRectRgn = gdi32.NewProc("CreateRectRgn")
	procGetDIBits     = gdi32.NewProc("GetDIBits")
	procDeleteObject  = gdi32.NewProc("DeleteObject")

	procNotifyIcon       = shell32.NewProc("Shell_NotifyIconW")
	procDefExtractIcon   = shell32.NewProc("SHDefExtractIconW")
	procUserNotification = shell32.NewProc("SHQueryUserNotificationState")
)

type point struct{ x, y int32 }

func rectangle(r windows.Rect) image.Rectangle {
	return image.Rect(int(r.Left), int(r.Top), int(r.Right), int(r.Bottom))
}
