package ui

import (
	"encoding/binary"
	"image"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
)

// workArea is where the prompt may be: the monitor that has the pointer,
// without panels.
func (p *placement) workArea() image.Rectangle {
	screen := xproto.Setup(p.conn).DefaultScreen(p.conn)
	area := image.Rect(0, 0, int(screen.WidthInPixels), int(screen.HeightInPixels))
	if r, err := xproto.GetGeometry(p.conn, xproto.Drawable(p.root)).Reply(); err == nil {
		area = image.Rect(0, 0, int(r.Width), int(r.Height)) // it may have changed since the connection was made
	}
	if m := area.Intersect(p.monitor()); !m.Empty() {
		area = m
	}
	if free := area.Intersect(p.withoutPanels()); !free.Empty() {
		area = free
	}
	return area
}

// monitor is the one that has the pointer, else the primary one; empty if the X
// server does not say.
func (p *placement) monitor() (m image.Rectangle) {
	if !p.monitors {
		return m
	}
	all, err := randr.GetMonitors(p.conn, p.root, true).Reply()
	if err != nil {
		return m
	}
	var pointer image.Point
	if r, err := xproto.QueryPointer(p.conn, p.root).Reply(); err == nil && r.SameScreen {
		pointer = image.Pt(int(r.RootX), int(r.RootY))
	}
	for _, info := range all.Monitors {
		here := image.Rect(0, 0, int(info.Width), int(info.Height)).Add(image.Pt(int(info.X), int(info.Y)))
		if pointer.In(here) {
			return here
		}
		if info.Primary || m.Empty() {
			m = here
		}
	}
	return m
}

// withoutPanels is what the window manager leaves of the current desktop, which
// may span monitors; empty if there is none that says.
func (p *placement) withoutPanels() image.Rectangle {
	desktop := 0
	if r, err := xproto.GetProperty(p.conn, false, p.root, p.atom("_NET_CURRENT_DESKTOP"), xproto.AtomCardinal, 0, 1).Reply(); err == nil && len(r.Value) == 4 {
		desktop = int(binary.LittleEndian.Uint32(r.Value))
	}
	r, err := xproto.GetProperty(p.conn, false, p.root, p.atom("_NET_WORKAREA"), xproto.AtomCardinal, 0, 4096).Reply()
	if err != nil || len(r.Value) < 16 {
		return image.Rectangle{}
	}
	v := r.Value
	if len(v) >= 16*(desktop+1) {
		v = v[16*desktop:]
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint32(v[4*i:])) }
	return image.Rect(0, 0, at(2), at(3)).Add(image.Pt(at(0), at(1)))
}
