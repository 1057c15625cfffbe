package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver"
	"fyne.io/fyne/v2/driver/desktop"
)

// placement puts the prompt at the bottom right, above other windows, without
// the focus. It tells the system beside Fyne, which can do none of these.
type placement struct{}

func newPlacement() *placement { return &placement{} }

// Indexes, styles and flags of user32.
const (
	gwlExStyle = ^uintptr(20) + 1 // -20

	wsExTopmost    = 0x8
	wsExToolWindow = 0x80 // in neither the taskbar nor the list of Alt+Tab
	wsExAppWindow  = 0x40000
	wsExNoActivate = 0x08000000 // a click on it leaves the focus where it is

	hwndTopmost      = ^uintptr(0) // -1
	swpNoActivate    = 0x10
	swpNoOwnerZOrder = 0x200
)

// newWindow makes a window that may be placed: Fyne's splash window, for it has
// no frame, which Fyne otherwise adds to every place and size.
func (*placement) newWindow(a fyne.App, title string) fyne.Window {
	d, ok := a.Driver().(desktop.Driver)
	if !ok {
		return a.NewWindow(title)
	}
	w := d.CreateSplashWindow()
	w.SetTitle(title)
	return w
}

// works tells whether windows can be placed.
func (*placement) works() bool { return true }

// put places a window of a size, given in Fyne's units. It tells whether the
// native window exists.
func (*placement) put(w fyne.Window, size fyne.Size) bool {
	h := nativeWindow(w)
	if h == 0 {
		return false
	}
	keepAside(h)
	for range 2 { // once more if it came to a monitor of another scale
		scale := w.Canvas().Scale()
		width, height := pixels(size.Width*scale), pixels(size.Height*scale)
		corner := workArea().Max
		procSetWindowPos.Call(h, hwndTopmost, uintptr(corner.X-width-promptMargin), uintptr(corner.Y-height-promptMargin),
			uintptr(width), uintptr(height), swpNoActivate|swpNoOwnerZOrder)
		if w.Canvas().Scale() == scale {
			break
		}
	}
	return true
}

// keepAside makes a window one that does not take the focus.
func keepAside(h uintptr) {
	style, _, _ := procGetWindowLong.Call(h, gwlExStyle)
	if wanted := (style | wsExTopmost | wsExToolWindow | wsExNoActivate) &^ wsExAppWindow; wanted != style {
		procSetWindowLong.Call(h, gwlExStyle, wanted)
	}
}

// park leaves nothing of a window to be seen: Fyne puts it into the middle of
// the screen when it shows it first. It tells whether the native window exists.
func (*placement) park(w fyne.Window) bool {
	h := nativeWindow(w)
	if h == 0 {
		return false
	}
	keepAside(h)
	nothing, _, _ := procCreateRectRgn.Call(0, 0, 0, 0)
	procSetWindowRgn.Call(h, nothing, 1) // the region is the system's from now on
	return true
}

// unpark makes a parked window, hidden again, an ordinary one.
func (*placement) unpark(w fyne.Window) { procSetWindowRgn.Call(nativeWindow(w), 0, 0) }

// focus gives a window the keys, and lets it have them until it is put anew.
func (*placement) focus(w fyne.Window) {
	h := nativeWindow(w)
	if h == 0 {
		return
	}
	style, _, _ := procGetWindowLong.Call(h, gwlExStyle)
	procSetWindowLong.Call(h, gwlExStyle, style&^wsExNoActivate)
	procSetForeground.Call(h)
}

// nativeWindow is the handle of a window, 0 if it has none.
func nativeWindow(w fyne.Window) (h uintptr) {
	if native, ok := w.(driver.NativeWindow); ok {
		native.RunNative(func(context any) {
			if c, ok := context.(driver.WindowsWindowContext); ok {
				h = c.HWND
			}
		})
	}
	return h
}
