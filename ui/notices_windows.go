package ui

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/assets"
)

// notices sends one notification with the question, where the prompt may not be
// seen: behind a program that fills the screen, or while the person is away.
// Otherwise it would lie on top of the prompt, for both come at the bottom
// right. It is the balloon of a tray icon of its own, which the system shows as
// a toast: unlike one of the newer interface it goes when it is taken back, and
// needs nothing in the registry that somebody had to remove.
type notices struct {
	clicked func()
	window  uintptr // gets the clicks
	icon    uintptr
	class   *uint16
	sent    bool
}

// Messages, flags and states of user32 and shell32.
const (
	wmUser           = 0x400
	noticeMessage    = wmUser + 1
	ninBalloonClick  = wmUser + 5
	wmLeftButtonUp   = 0x202
	hwndMessage      = ^uintptr(2) // -3
	nimAdd           = 0
	nimDelete        = 2
	nifMessage       = 0x1
	nifIcon          = 0x2
	nifTip           = 0x4
	nifInfo          = 0x10
	niifUser         = 0x4
	niifLargeIcon    = 0x20
	acceptsNotices   = 5 // QUNS_ACCEPTS_NOTIFICATIONS
	fillsWindowsOnly = 7 // QUNS_APP: a program of the store, beside which windows are seen
)

// windowClass is user32's WNDCLASSEXW.
type windowClass struct {
	size, style            uint32
	procedure              uintptr
	classExtra, windExtra  int32
	instance, icon, cursor windows.Handle
	background             windows.Handle
	menu, name             *uint16
	smallIcon              windows.Handle
}

// notifyIcon is shell32's NOTIFYICONDATAW.
type notifyIcon struct {
	size               uint32
	window             uintptr
	id, flags, message uint32
	icon               uintptr
	tip                [128]uint16
	state, stateMask   uint32
	info               [256]uint16
	version            uint32
	title              [64]uint16
	infoFlags          uint32
	guid               windows.GUID
	balloonIcon        uintptr
}

// newNotices makes a window for the clicks, on a thread of its own for the life
// of the program; clicked is called when the person clicks on the notification.
func newNotices(clicked func()) *notices {
	n := &notices{clicked: clicked, class: utf16Pointer("SallyportNotice")}
	png := assets.TrayWaiting
	const asIcon, version = 1, 0x30000
	n.icon, _, _ = procCreateIcon.Call(uintptr(unsafe.Pointer(&png[0])), uintptr(len(png)), asIcon, version, 0, 0, 0)
	made := make(chan uintptr)
	go n.run(made)
	n.window = <-made
	return n
}

func (n *notices) run(made chan<- uintptr) {
	runtime.LockOSThread()
	class := windowClass{procedure: windows.NewCallback(n.received), name: n.class}
	class.size = uint32(unsafe.Sizeof(class))
	procRegisterClass.Call(uintptr(unsafe.Pointer(&class)))
	h, _, _ := procCreateWindow.Call(0, uintptr(unsafe.Pointer(n.class)), 0, 0, 0, 0, 0, 0, hwndMessage, 0, 0, 0)
	made <- h
	if h == 0 {
		return
	}
	var message [64]byte // as large as a MSG, which is only passed on
	for {
		if more, _, _ := procGetMessage.Call(uintptr(unsafe.Pointer(&message)), h, 0, 0); int32(more) <= 0 {
			return
		}
		procDispatchMessage.Call(uintptr(unsafe.Pointer(&message)))
	}
}

func (n *notices) received(window uintptr, message uint32, w, l uintptr) uintptr {
	if message == noticeMessage {
		if event := l & 0xffff; event == ninBalloonClick || event == wmLeftButtonUp {
			n.clicked()
		}
		return 0
	}
	result, _, _ := procDefWindowProc.Call(window, uintptr(message), w, l)
	return result
}

// show sends a notification about a question if the prompt may not be seen.
func (n *notices) show(p Prompt) {
	if promptIsSeen() {
		n.close()
		return
	}
	n.send(p)
}

// promptIsSeen tells whether a window above all others is one that the person
// sees.
func promptIsSeen() bool {
	var state uint32
	result, _, _ := procUserNotification.Call(uintptr(unsafe.Pointer(&state)))
	return result != 0 || state == acceptsNotices || state == fillsWindowsOnly
}

// send replaces the notification. Without a taskbar nothing is shown.
func (n *notices) send(p Prompt) error {
	n.close()
	d := n.data()
	d.flags = nifMessage | nifIcon | nifTip | nifInfo
	d.message, d.icon, d.balloonIcon, d.infoFlags = noticeMessage, n.icon, n.icon, niifUser|niifLargeIcon
	copyText(d.tip[:], textTrayPrompt)
	copyText(d.title[:], promptTitle(p))
	copyText(d.info[:], promptWhere(p)+". Click to answer.")
	if ok, _, err := procNotifyIcon.Call(nimAdd, uintptr(unsafe.Pointer(d))); ok == 0 {
		return fmt.Errorf("send a notification: %w", err)
	}
	n.sent = true
	return nil
}

// close takes the notification back. Where none was sent it asks nothing of the
// taskbar, which may hang.
func (n *notices) close() {
	if n.sent {
		procNotifyIcon.Call(nimDelete, uintptr(unsafe.Pointer(n.data())))
		n.sent = false
	}
}

func (n *notices) data() *notifyIcon {
	d := &notifyIcon{window: n.window, id: 1}
	d.size = uint32(unsafe.Sizeof(*d))
	return d
}

// copyText fills a field of fixed size, which ends with a zero.
func copyText(field []uint16, s string) {
	b, err := windows.UTF16FromString(s)
	if err != nil {
		return
	}
	copy(field[:len(field)-1], b)
}
