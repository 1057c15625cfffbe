package ui

import (
	"encoding/binary"
	"io"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver"
	"github.com/jezek/xgb"
	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
)

// placement puts the prompt at the bottom right, above other windows, without
// the focus. It talks to the X server beside Fyne, which can do none of these.
// Without an X server it does nothing.
type placement struct {
	conn     *xgb.Conn
	root     xproto.Window
	atoms    map[string]xproto.Atom
	monitors bool // the X server says which it has
}

func newPlacement() *placement {
	p := &placement{atoms: map[string]xproto.Atom{}}
	xgb.Logger.SetOutput(io.Discard) // it reports that most X servers want no cookie
	if conn, err := xgb.NewConn(); err == nil {
		p.conn, p.root = conn, xproto.Setup(conn).DefaultScreen(conn).Root
		p.monitors = randr.Init(conn) == nil
	}
	return p
}

// newWindow makes a window that may be placed.
func (*placement) newWindow(a fyne.App, title string) fyne.Window { return a.NewWindow(title) }

// put places a window of a size, given in Fyne's units. It tells whether the
// native window exists.
func (p *placement) put(w fyne.Window, size fyne.Size) bool {
	id := nativeWindow(w)
	if p.conn == nil || id == 0 {
		return false
	}
	scale := w.Canvas().Scale()
	corner := p.workArea().Max
	x := corner.X - pixels(size.Width*scale) - promptMargin
	y := corner.Y - pixels(size.Height*scale) - promptMargin
	state := []uint32{uint32(p.atom("_NET_WM_STATE_ABOVE")), uint32(p.atom("_NET_WM_STATE_SKIP_TASKBAR")),
		uint32(p.atom("_NET_WM_STATE_SKIP_PAGER")), uint32(p.atom("_NET_WM_STATE_STICKY"))}
	// The window manager reads these when the window is mapped ...
	p.set(id, "_NET_WM_STATE", xproto.AtomAtom, state...)
	p.set(id, "_NET_WM_DESKTOP", xproto.AtomCardinal, 0xFFFFFFFF)
	p.set(id, "_NET_WM_USER_TIME", xproto.AtomCardinal, 0) // 0: no focus when mapped (EWMH)
	p.set(id, "_NET_WM_WINDOW_TYPE", xproto.AtomAtom, uint32(p.atom("_NET_WM_WINDOW_TYPE_UTILITY")))
	p.set(id, "_MOTIF_WM_HINTS", p.atom("_MOTIF_WM_HINTS"), 2, 0, 0, 0, 0) // no border
	const userAndProgramPosition = 1 | 4
	hints := make([]uint32, 18)
	hints[0], hints[1], hints[2] = userAndProgramPosition, uint32(x), uint32(y)
	p.set(id, "WM_NORMAL_HINTS", xproto.AtomWmSizeHints, hints...)
	// ... and this message when it is on the screen already.
	p.tell(id, "_NET_WM_STATE", 1, state[0], state[1], 1)
	xproto.ConfigureWindow(p.conn, id, xproto.ConfigWindowX|xproto.ConfigWindowY|xproto.ConfigWindowStackMode,
		[]uint32{uint32(x), uint32(y), xproto.StackModeAbove})
	p.conn.Sync()
	return true
}

// works tells whether windows can be placed.
func (p *placement) works() bool { return p.conn != nil }

// park makes a window that is not mapped yet one that the window manager leaves
// alone, beside the screen. It tells whether the native window exists.
func (p *placement) park(w fyne.Window) bool {
	id := nativeWindow(w)
	if id == 0 {
		return false
	}
	const outside = 1<<32 - 4096 // -4096
	xproto.ChangeWindowAttributes(p.conn, id, xproto.CwOverrideRedirect, []uint32{1})
	xproto.ConfigureWindow(p.conn, id, xproto.ConfigWindowX|xproto.ConfigWindowY, []uint32{outside, outside})
	p.conn.Sync()
	return true
}

// unpark makes a parked window, hidden again, an ordinary one.
func (p *placement) unpark(w fyne.Window) {
	xproto.ChangeWindowAttributes(p.conn, nativeWindow(w), xproto.CwOverrideRedirect, []uint32{0})
	p.conn.Sync()
}

// focus gives a window the keys.
func (p *placement) focus(w fyne.Window) {
	id := nativeWindow(w)
	if p.conn == nil || id == 0 {
		return
	}
	const byPerson = 2 // EWMH source indication: a direct action of the person
	p.tell(id, "_NET_ACTIVE_WINDOW", byPerson, 0, 0)
	if !p.managed() {
		xproto.SetInputFocus(p.conn, xproto.InputFocusParent, id, xproto.TimeCurrentTime)
		xproto.ConfigureWindow(p.conn, id, xproto.ConfigWindowStackMode, []uint32{xproto.StackModeAbove})
	}
	p.conn.Sync()
}

// managed tells whether a window manager runs.
func (p *placement) managed() bool {
	r, err := xproto.GetProperty(p.conn, false, p.root, p.atom("_NET_SUPPORTING_WM_CHECK"), xproto.AtomWindow, 0, 1).Reply()
	return err == nil && len(r.Value) == 4
}

// tell sends a window manager a message about a window.
func (p *placement) tell(id xproto.Window, message string, data ...uint32) {
	all := make([]uint32, 5)
	copy(all, data)
	e := xproto.ClientMessageEvent{Format: 32, Window: id, Type: p.atom(message), Data: xproto.ClientMessageDataUnionData32New(all)}
	xproto.SendEvent(p.conn, false, p.root, xproto.EventMaskSubstructureRedirect|xproto.EventMaskSubstructureNotify, string(e.Bytes()))
}

func (p *placement) set(id xproto.Window, name string, kind xproto.Atom, values ...uint32) {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	xproto.ChangeProperty(p.conn, xproto.PropModeReplace, id, p.atom(name), kind, 32, uint32(len(values)), b)
}

func (p *placement) atom(name string) xproto.Atom {
	if a, ok := p.atoms[name]; ok {
		return a
	}
	r, err := xproto.InternAtom(p.conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		return xproto.AtomNone
	}
	p.atoms[name] = r.Atom
	return r.Atom
}

// nativeWindow is the X server's number of a window, 0 if it has none.
func nativeWindow(w fyne.Window) (id xproto.Window) {
	if native, ok := w.(driver.NativeWindow); ok {
		native.RunNative(func(context any) {
			if x, ok := context.(driver.X11WindowContext); ok {
				id = xproto.Window(x.WindowHandle)
			}
		})
	}
	return id
}
