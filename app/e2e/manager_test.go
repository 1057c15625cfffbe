//go:build linux

package e2e

import (
	"encoding/binary"
	"image"
	"slices"
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"

	"sallyport.dev/sallyport/firewall"
)

// promptMargin is the space that the prompt leaves to the edges of its place.
const promptMargin = 12

// managed starts a window manager on a screen.
func (s *screen) managed() {
	s.t.Helper()
	need(s.t, "openbox")
	start(s.t, "window manager", "", []string{"DISPLAY=" + s.name, "HOME=" + s.t.(*testing.T).TempDir()}, "openbox", "--sm-disable")
	poll(s.t, "the window manager runs", func() bool { return len(s.property(s.Root, "_NET_SUPPORTING_WM_CHECK")) == 1 })
}

// active is the window that has the keys, as the window manager says.
func (s *screen) active() xproto.Window {
	s.t.Helper()
	if v := s.property(s.Root, "_NET_ACTIVE_WINDOW"); len(v) > 0 {
		return xproto.Window(v[0])
	}
	return 0
}

// below tells whether a window is below another, as the window manager stacks them.
func (s *screen) below(low, high xproto.Window) bool {
	s.t.Helper()
	stack := s.property(s.Root, "_NET_CLIENT_LIST_STACKING")
	l, h := slices.Index(stack, uint32(low)), slices.Index(stack, uint32(high))
	return l >= 0 && h > l
}

// workArea is what the panels leave.
func (s *screen) workArea() image.Rectangle {
	s.t.Helper()
	v := s.property(s.Root, "_NET_WORKAREA")
	if len(v) < 4 {
		return image.Rectangle{}
	}
	return image.Rect(0, 0, int(v[2]), int(v[3])).Add(image.Pt(int(v[0]), int(v[1])))
}

// other is a window of another program, such as a terminal.
type other struct {
	s    *screen
	conn *xgb.Conn
	id   xproto.Window
	keys chan xproto.Keycode
}

func (s *screen) other(at image.Rectangle) *other {
	s.t.Helper()
	conn, err := xgb.NewConnDisplay(s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	o := &other{s: s, conn: conn, keys: make(chan xproto.Keycode, 100)}
	if o.id, err = xproto.NewWindowId(conn); err != nil {
		s.t.Fatal(err)
	}
	screen := xproto.Setup(conn).DefaultScreen(conn)
	xproto.CreateWindow(conn, screen.RootDepth, o.id, s.Root, int16(at.Min.X), int16(at.Min.Y), uint16(at.Dx()), uint16(at.Dy()), 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwBackPixel|xproto.CwEventMask, []uint32{0x446644, xproto.EventMaskKeyPress})
	title := "a terminal"
	xproto.ChangeProperty(conn, xproto.PropModeReplace, o.id, xproto.AtomWmName, xproto.AtomString, 8, uint32(len(title)), []byte(title))
	const placed = 1 // by the person: the window manager leaves it there
	o.set("WM_NORMAL_HINTS", xproto.AtomWmSizeHints, append([]uint32{placed}, make([]uint32, 17)...)...)
	go func() {
		for {
			e, err := conn.WaitForEvent()
			if e == nil && err == nil {
				return
			}
			if k, ok := e.(xproto.KeyPressEvent); ok {
				o.keys <- k.Detail
			}
		}
	}()
	return o
}

// set sets a property of the window.
func (o *other) set(name string, kind xproto.Atom, values ...uint32) {
	o.s.t.Helper()
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	xproto.ChangeProperty(o.conn, xproto.PropModeReplace, o.id, o.s.atom(name), kind, 32, uint32(len(values)), b)
}

// show maps the window; it gets the focus as every new window does.
func (o *other) show() *other {
	o.s.t.Helper()
	xproto.MapWindow(o.conn, o.id)
	o.conn.Sync()
	poll(o.s.t, "the other window has the focus", func() bool { return o.s.active() == o.id })
	return o
}

// panel makes the window a panel at the bottom of the screen.
func (o *other) panel(height, width int) {
	o.s.t.Helper()
	o.set("_NET_WM_WINDOW_TYPE", xproto.AtomAtom, uint32(o.s.atom("_NET_WM_WINDOW_TYPE_DOCK")))
	o.set("_NET_WM_STRUT_PARTIAL", xproto.AtomCardinal, 0, 0, 0, uint32(height), 0, 0, 0, 0, 0, 0, 0, uint32(width-1))
	before := o.s.workArea()
	xproto.MapWindow(o.conn, o.id)
	o.conn.Sync()
	poll(o.s.t, "the panel takes its place", func() bool { return o.s.workArea() != before })
}

func TestThePromptIsAboveOthersAndTakesNoFocus(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1280, 800)
	s.managed()
	s.other(image.Rect(0, 760, 1280, 800)).panel(40, 1280)
	d := startDesktop(t, s, p.installed, p.socket)
	terminal := s.other(image.Rect(500, 300, 1200, 740)).show()
	p.dial("/usr/bin/first")
	p.dial("/usr/bin/second")
	prompt := d.until("both questions are counted", func(i inspection) bool { return i.reads("prompt", "1 of 2") })
	id := prompt.Windows["prompt"].XID

	// Bottom right, and not under the panel.
	want := s.workArea().Max.Sub(image.Pt(promptMargin, promptMargin))
	poll(t, "the prompt is in its place", func() bool { return s.place(id).Max == want })
	if area := s.workArea(); area.Max.Y != 760 || !s.place(id).In(area) {
		t.Errorf("the prompt is at %v of %v", s.place(id), area)
	}
	if !s.below(terminal.id, id) {
		t.Error("the prompt is not above the terminal")
	}
	s.picture("prompt-managed", sight{s.place(id), allowButton.color})

	// What the person types goes on to the terminal.
	d.takesInput(prompt.Prompt)
	s.press('a')
	<-terminal.keys
	if s.active() != terminal.id {
		t.Error("the prompt has taken the focus")
	}
	// Also a window that comes later, and one that is clicked on, stay below.
	later := s.other(image.Rect(700, 400, 1280, 760)).show()
	if !s.below(later.id, id) {
		t.Error("a new window is above the prompt")
	}
	s.Click(image.Pt(520, 320), 1)
	poll(t, "the terminal is clicked on", func() bool { return s.active() == terminal.id })
	if !s.below(terminal.id, id) {
		t.Error("a window that was clicked on is above the prompt")
	}
	if i := d.inspect(); i.Prompt != prompt.Prompt {
		t.Fatal("a key for another window answered the question")
	}

	// Starting the program again gives the question the keys, which it takes
	// only after a while.
	d.again()
	poll(t, "the prompt has the focus", func() bool { return s.active() == id })
	shielded := d.inspect()
	s.press('a')
	if !shielded.Shielded {
		t.Error("the question takes keys at once")
	}
	if i := d.takesInput(prompt.Prompt); i.Prompt != prompt.Prompt {
		t.Error("a key within 700 ms answered the question")
	}
	s.press('a')
	p.decided("/usr/bin/first", "allow", 1)
	next := d.until("the other question is shown", func(i inspection) bool { return i.Prompt != prompt.Prompt && i.Prompt != "" })
	s.press('d')
	if !next.Shielded {
		t.Error("the next question takes keys at once")
	}
	d.takesInput(next.Prompt)
	s.press('d')
	p.decided("/usr/bin/second", "block", 1)
	d.waitForNone()

	// The next question takes no focus either, although this window had it.
	s.Click(image.Pt(520, 320), 1)
	poll(t, "the terminal has the focus again", func() bool { return s.active() == terminal.id })
	p.dial("/usr/bin/third")
	prompt = d.waitForPrompt()
	poll(t, "the prompt is in its place again", func() bool { return s.place(prompt.Windows["prompt"].XID).Max == want })
	d.takesInput(prompt.Prompt)
	s.press('d')
	<-terminal.keys
	if s.active() != terminal.id || d.inspect().Prompt != prompt.Prompt {
		t.Error("the third question has taken the focus")
	}
}

func TestThePromptIsOnTheMonitorWithThePointer(t *testing.T) {
	p := newPretend(t)
	p.mode(firewall.ModeAsk)
	s := newScreen(t, 1800, 800)
	if err := randr.Init(s.Conn); err != nil {
		missing(t, "the X server has no RandR: %v", err)
	}
	// The right one is lower and less wide: the corner of both together is on neither.
	left, right := image.Rect(0, 0, 1000, 800), image.Rect(1000, 0, 1700, 500)
	for i, m := range []image.Rectangle{left, right} {
		name := s.atom([]string{"left", "right"}[i])
		if err := randr.SetMonitorChecked(s.Conn, s.Root, randr.MonitorInfo{
			Name: name, Primary: i == 0, X: int16(m.Min.X), Y: int16(m.Min.Y), Width: uint16(m.Dx()), Height: uint16(m.Dy()),
			WidthInMillimeters: 300, HeightInMillimeters: 200,
		}).Check(); err != nil {
			t.Fatal(err)
		}
	}
	s.managed()
	d := startDesktop(t, s, p.installed, p.socket)
	for name, m := range map[string]image.Rectangle{"left": left, "right": right} {
		s.Point(m.Min.Add(image.Pt(100, 100)))
		p.dial("/usr/bin/" + name)
		prompt := d.waitForPrompt()
		want := m.Max.Sub(image.Pt(promptMargin, promptMargin))
		poll(t, "the prompt is at the bottom of the "+name+" monitor", func() bool { return s.place(prompt.Windows["prompt"].XID).Max == want })
		d.answer(prompt, "Allow")
		p.decided("/usr/bin/"+name, "allow", 1)
		d.waitForNone()
	}
}
