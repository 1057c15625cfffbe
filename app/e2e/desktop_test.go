//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// screen is an X server with nobody in front of it.
type screen struct {
	t    *testing.T
	name string
	conn *xgb.Conn
	root xproto.Window
	maps chan mapped
}

// mapped says when a window came onto the screen.
type mapped struct {
	window xproto.Window
	time   time.Time
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{write}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
	write.Close()
	number, err := bufio.NewReader(read).ReadString('\n')
	read.Close()
	if err != nil {
		t.Fatalf("start Xvfb: %v", err)
	}
	s := &screen{t: t, name: ":" + strings.TrimSpace(number), maps: make(chan mapped, 100)}
	if s.conn, err = xgb.NewConnDisplay(s.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.conn.Close)
	if err := xtest.Init(s.conn); err != nil {
		t.Fatal(err)
	}
	s.root = xproto.Setup(s.conn).DefaultScreen(s.conn).Root
	xproto.ChangeWindowAttributes(s.conn, s.root, xproto.CwEventMask, []uint32{xproto.EventMaskSubstructureNotify})
	s.conn.Sync()
	go func() {
		for {
			e, err := s.conn.WaitForEvent()
			if e == nil && err == nil {
				return
			}
			if m, ok := e.(xproto.MapNotifyEvent); ok {
				s.maps <- mapped{m.Window, time.Now()}
			}
		}
	}()
	return s
}

// picture saves what is on the screen, once a colour is drawn in an area: the
// program draws a little after it has decided what to show.
func (s *screen) picture(name string, in sight) {
	s.t.Helper()
	var m *image.NRGBA
	poll(s.t, name+" is drawn", func() bool { m = s.look(); return in.seen(m) })
	f, err := os.Create(filepath.Join(pictures(s.t), name+".png"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, m); err != nil {
		s.t.Fatal(err)
	}
}

// look reads the screen.
func (s *screen) look() *image.NRGBA {
	s.t.Helper()
	screen := xproto.Setup(s.conn).DefaultScreen(s.conn)
	w, h := int(screen.WidthInPixels), int(screen.HeightInPixels)
	r, err := xproto.GetImage(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.root), 0, 0, uint16(w), uint16(h), ^uint32(0)).Reply()
	if err != nil {
		s.t.Fatal(err)
	}
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.SetNRGBA(i%w, i/w, color.NRGBA{r.Data[4*i+2], r.Data[4*i+1], r.Data[4*i], 255})
	}
	return m
}

// sight is a colour somewhere in an area of the screen.
type sight struct {
	area  image.Rectangle
	color color.NRGBA
}

func (c sight) seen(m *image.NRGBA) bool {
	for y := c.area.Min.Y; y < c.area.Max.Y; y++ {
		for x := c.area.Min.X; x < c.area.Max.X; x++ {
			if m.NRGBAAt(x, y) == c.color {
				return true
			}
		}
	}
	return false
}

// rect is where a widget is in its window.
type rect struct{ X, Y, W, H int }

// inspection is what the program says of its windows.
type inspection struct {
	Prompt   string
	Shielded bool
	XID      uint32
	Buttons  map[string]rect
	Main     []string
}

// desktop is the desktop program.
type desktop struct {
	r      *rig
	socket string
}

// desktop starts the desktop program on the screen, as the person, and waits for its windows.
func (r *rig) desktop() *desktop {
	r.t.Helper()
	d := &desktop{r: r, socket: filepath.Join(r.home, "inspect.sock")}
	cmd := exec.Command(r.binary, "--socket", r.socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: personID, Gid: personID}}
	r.startCommand("desktop", "", []string{
		"DISPLAY=" + r.screen.name, "WAYLAND_DISPLAY=", "HOME=" + r.home, "XDG_RUNTIME_DIR=" + r.home,
		"XDG_CONFIG_HOME=" + r.home, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + filepath.Join(r.home, "no-bus"),
		"SALLYPORT_E2E_SOCKET=" + d.socket, "LANG=en_US.UTF-8",
	}, cmd)
	// Without a tray the main window opens at start.
	r.until("the main window opens", func() bool {
		conn, err := net.Dial("unix", d.socket)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	d.until("the main window has content", func(i inspection) bool { return len(i.Main) > 0 })
	d.until("no prompt is open", func(i inspection) bool { return i.Prompt == "" })
	for len(r.screen.maps) > 0 {
		<-r.screen.maps
	}
	return d
}

// command gives one command to the program and decodes what it answers.
func (d *desktop) command(answer any, words ...string) {
	d.r.t.Helper()
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		d.r.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, strings.Join(words, " "))
	if err := json.NewDecoder(conn).Decode(answer); err != nil {
		d.r.t.Fatalf("%q: %v", words, err)
	}
}

func (d *desktop) inspect() (i inspection) {
	d.r.t.Helper()
	d.command(&i, "dump")
	return i
}

func (d *desktop) open(page string) {
	d.r.t.Helper()
	var s string
	d.command(&s, "open", page)
}

func (d *desktop) until(what string, holds func(inspection) bool) (i inspection) {
	d.r.t.Helper()
	poll(d.r.t, what, func() bool { i = d.inspect(); return holds(i) })
	return i
}

func (d *desktop) waitForPrompt() inspection {
	d.r.t.Helper()
	return d.until("the prompt is shown", func(i inspection) bool { return i.Prompt != "" && i.XID != 0 })
}

// mappedAt is when the prompt's window came onto the screen.
func (d *desktop) mappedAt() time.Time {
	d.r.t.Helper()
	id := d.inspect().XID
	late := time.After(patience)
	for {
		select {
		case m := <-d.r.screen.maps:
			if uint32(m.window) == id {
				return m.time
			}
		case <-late:
			d.r.t.Fatal("the prompt never came onto the screen")
		}
	}
}

// click moves the pointer onto a button of the prompt and clicks, once the
// prompt takes clicks. It returns when that was.
func (d *desktop) click(asked inspection, button string) time.Time {
	d.r.t.Helper()
	i := d.until("the prompt takes clicks", func(i inspection) bool { return i.Prompt == asked.Prompt && !i.Shielded })
	s, b := d.r.screen, i.Buttons[button]
	at, err := xproto.TranslateCoordinates(s.conn, xproto.Window(i.XID), s.root, int16(b.X+b.W/2), int16(b.Y+b.H/2)).Reply()
	if err != nil {
		d.r.t.Fatal(err)
	}
	const motion, press, release, left = 6, 4, 5, 1
	xtest.FakeInput(s.conn, motion, 0, 0, s.root, at.DstX, at.DstY, 0)
	xtest.FakeInput(s.conn, press, left, 0, s.root, 0, 0, 0)
	xtest.FakeInput(s.conn, release, left, 0, s.root, 0, 0, 0)
	s.conn.Sync()
	return time.Now()
}
