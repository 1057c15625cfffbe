//go:build linux

package wine

import (
	"bufio"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
)

// display is an X server with a window manager, without which Wine waits for
// seconds whenever a window is hidden.
type display struct {
	*xscreen.Screen
	t    testing.TB
	name string
	size image.Rectangle
}

func newDisplay(t testing.TB) *display {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	xvfb := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp")
	xvfb.ExtraFiles = []*os.File{write}
	begin(t, xvfb, syscall.SIGTERM)
	write.Close()
	number, err := bufio.NewReader(read).ReadString('\n')
	read.Close()
	if err != nil {
		t.Fatalf("start Xvfb: %v", err)
	}
	d := &display{t: t, name: ":" + strings.TrimSpace(number), size: image.Rect(0, 0, 1280, 800)}
	if d.Screen, err = xscreen.Join(d.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	manager := exec.Command("openbox", "--sm-disable")
	manager.Env = append(os.Environ(), "DISPLAY="+d.name)
	begin(t, manager, syscall.SIGTERM)
	poll(t, "windows are managed", func() bool { return len(d.property("_NET_SUPPORTING_WM_CHECK")) > 0 })
	return d
}

func (d *display) property(name string) []byte {
	d.t.Helper()
	atom, err := xproto.InternAtom(d.Conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := xproto.GetProperty(d.Conn, false, d.Root, atom.Atom, xproto.GetPropertyTypeAny, 0, 16).Reply()
	if err != nil {
		d.t.Fatal(err)
	}
	return r.Value
}

// active is the window that has the keys.
func (d *display) active() xproto.Window {
	v := d.property("_NET_ACTIVE_WINDOW")
	if len(v) < 4 {
		return 0
	}
	return xproto.Window(uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24)
}

// where is where a window is on the screen; empty if it is not there.
func (d *display) where(title string) image.Rectangle {
	d.t.Helper()
	w := d.Window(title)
	if w == 0 {
		return image.Rectangle{}
	}
	r, err := d.Place(w)
	if err != nil {
		return image.Rectangle{} // it has gone meanwhile
	}
	return r
}

// menu is the menu that is open: a window of ours that nobody manages.
func (d *display) menu() (found image.Rectangle) {
	tree, err := xproto.QueryTree(d.Conn, d.Root).Reply()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, w := range tree.Children {
		a, err := xproto.GetWindowAttributes(d.Conn, w).Reply()
		if err != nil || a.MapState != xproto.MapStateViewable || !a.OverrideRedirect {
			continue
		}
		if r, err := d.Place(w); err == nil && r.Dx() > 100 && r.Dy() > 100 {
			found = r
		}
	}
	return found
}

// picture keeps what is on the screen, once it no longer changes: a program
// draws a little after it has decided what to show.
func (d *display) picture(name string) {
	d.t.Helper()
	look := func() *image.NRGBA {
		m, err := d.Look(image.Rectangle{})
		if err != nil {
			d.t.Fatal(err)
		}
		return m
	}
	last, since := look(), time.Now()
	poll(d.t, name+" is drawn", func() bool {
		m := look()
		if string(m.Pix) != string(last.Pix) {
			last, since = m, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
	if err := d.Save(filepath.Join(build(d.t), name+".png")); err != nil {
		d.t.Fatal(err)
	}
}
