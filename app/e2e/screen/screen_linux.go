package screen

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// Screen is the screen of an X server.
type Screen struct {
	Conn *xgb.Conn
	Root xproto.Window
}

// Join connects to an X server, such as ":1"; "" is the one that DISPLAY names.
func Join(display string) (*Screen, error) {
	xgb.Logger.SetOutput(io.Discard) // it tells of a missing .Xauthority, which Xvfb does not need
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return nil, fmt.Errorf("join X server %q: %w", display, err)
	}
	if err := xtest.Init(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("join X server %q, which takes no clicks: %w", display, err)
	}
	return &Screen{conn, xproto.Setup(conn).DefaultScreen(conn).Root}, nil
}

// Close leaves the X server.
func (s *Screen) Close() { s.Conn.Close() }

// Look reads a part of the screen; an empty area is all of it.
func (s *Screen) Look(area image.Rectangle) (*image.NRGBA, error) {
	if area.Empty() {
		var err error
		if area, err = s.Place(s.Root); err != nil {
			return nil, err
		}
	}
	r, err := xproto.GetImage(s.Conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.Root),
		int16(area.Min.X), int16(area.Min.Y), uint16(area.Dx()), uint16(area.Dy()), ^uint32(0)).Reply()
	if err != nil {
		return nil, fmt.Errorf("look at the screen: %w", err)
	}
	m := image.NewNRGBA(area)
	for i := range area.Dx() * area.Dy() {
		m.SetNRGBA(area.Min.X+i%area.Dx(), area.Min.Y+i/area.Dx(), color.NRGBA{r.Data[4*i+2], r.Data[4*i+1], r.Data[4*i], 255})
	}
	return m, nil
}

// Find returns the smallest rectangle that holds all of a colour in an area.
func (s *Screen) Find(c color.NRGBA, area image.Rectangle) (found image.Rectangle, err error) {
	m, err := s.Look(area)
	if err != nil {
		return found, err
	}
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			if m.NRGBAAt(x, y) == c {
				found = found.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return found, nil
}

// Save keeps what is on the screen as a PNG file.
func (s *Screen) Save(file string) error {
	m, err := s.Look(image.Rectangle{})
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, m), f.Close())
}

// Place is where a window is on the screen.
func (s *Screen) Place(w xproto.Window) (image.Rectangle, error) {
	g, err := xproto.GetGeometry(s.Conn, xproto.Drawable(w)).Reply()
	if err != nil {
		return image.Rectangle{}, err
	}
	at, err := xproto.TranslateCoordinates(s.Conn, w, s.Root, 0, 0).Reply()
	if err != nil {
		return image.Rectangle{}, err
	}
	return image.Rect(0, 0, int(g.Width), int(g.Height)).Add(image.Pt(int(at.DstX), int(at.DstY))), nil
}

// Window finds a window on the screen by its title; 0 if there is none.
func (s *Screen) Window(title string) xproto.Window { return s.windowIn(s.Root, title) }

func (s *Screen) windowIn(parent xproto.Window, title string) xproto.Window {
	tree, err := xproto.QueryTree(s.Conn, parent).Reply()
	if err != nil {
		return 0
	}
	for _, w := range tree.Children {
		name, err := xproto.GetProperty(s.Conn, false, w, xproto.AtomWmName, xproto.GetPropertyTypeAny, 0, 64).Reply()
		if err == nil && string(name.Value) == title {
			if a, err := xproto.GetWindowAttributes(s.Conn, w).Reply(); err == nil && a.MapState == xproto.MapStateViewable {
				return w
			}
		}
		if found := s.windowIn(w, title); found != 0 {
			return found
		}
	}
	return 0
}

// Focus gives a window the keys where no window manager does.
func (s *Screen) Focus(w xproto.Window) {
	xproto.SetInputFocus(s.Conn, xproto.InputFocusParent, w, xproto.TimeCurrentTime)
	s.Conn.Sync()
}

// Kinds of events in XTEST's FakeInput.
const (
	keyDown, keyUp       = 2, 3
	buttonDown, buttonUp = 4, 5
	motion               = 6
)

// Buttons of the mouse.
const (
	Left  = 1
	Right = 3
)

// Point moves the pointer.
func (s *Screen) Point(p image.Point) {
	xtest.FakeInput(s.Conn, motion, 0, 0, s.Root, int16(p.X), int16(p.Y), 0)
	s.Conn.Sync()
}

// Click moves the pointer there and clicks.
func (s *Screen) Click(p image.Point, button byte) {
	s.Point(p)
	xtest.FakeInput(s.Conn, buttonDown, button, 0, s.Root, 0, 0, 0)
	xtest.FakeInput(s.Conn, buttonUp, button, 0, s.Root, 0, 0, 0)
	s.Conn.Sync()
}

// Keys that are no letters, as X names them; a letter or digit is its own code.
const (
	Control xproto.Keysym = 0xffe3
	Escape  xproto.Keysym = 0xff1b
	Return  xproto.Keysym = 0xff0d
	Down    xproto.Keysym = 0xff54
)

// Press presses keys together, and releases the last one first.
func (s *Screen) Press(keys ...xproto.Keysym) error {
	setup := xproto.Setup(s.Conn)
	m, err := xproto.GetKeyboardMapping(s.Conn, setup.MinKeycode, byte(setup.MaxKeycode-setup.MinKeycode+1)).Reply()
	if err != nil {
		return err
	}
	var codes []byte
	for _, key := range keys {
		for i, k := range m.Keysyms {
			if k == key {
				codes = append(codes, byte(int(setup.MinKeycode)+i/int(m.KeysymsPerKeycode)))
				break
			}
		}
	}
	if len(codes) != len(keys) {
		return fmt.Errorf("the keyboard has not all of the keys %x", keys)
	}
	for _, code := range codes {
		xtest.FakeInput(s.Conn, keyDown, code, 0, s.Root, 0, 0, 0)
	}
	for i := range codes {
		xtest.FakeInput(s.Conn, keyUp, codes[len(codes)-1-i], 0, s.Root, 0, 0, 0)
	}
	s.Conn.Sync()
	return nil
}
