//go:build linux

package e2e

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jezek/xgb/xproto"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
)

// screen is an X server with nobody in front of it.
type screen struct {
	*xscreen.Screen
	t    testing.TB
	name string
}

func newScreen(t testing.TB, width, height int) *screen {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", width, height), "-nolisten", "tcp")
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
	name := ":" + strings.TrimSpace(number)
	x, err := xscreen.Join(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return &screen{x, t, name}
}

// picture saves what is on the screen, once a colour is drawn in an area: the
// program draws a little after it has decided what to show.
func (s *screen) picture(name string, in sight) {
	s.t.Helper()
	poll(s.t, name+" is drawn", func() bool { return s.shows(in) })
	if err := s.Save(filepath.Join(pictures(s.t), name+".png")); err != nil {
		s.t.Fatal(err)
	}
}

// sight is a colour somewhere in an area of the screen.
type sight struct {
	area  image.Rectangle
	color color.NRGBA
}

func (s *screen) shows(in sight) bool {
	s.t.Helper()
	found, err := s.Find(in.color, in.area)
	if err != nil {
		s.t.Fatal(err)
	}
	return !found.Empty()
}

// keysym is the key of a letter that needs no other key.
func keysym(letter rune) xproto.Keysym { return xproto.Keysym(letter) }

// press presses keys together.
func (s *screen) press(keys ...xproto.Keysym) {
	s.t.Helper()
	if err := s.Press(keys...); err != nil {
		s.t.Fatal(err)
	}
}

// place is where a window is on the screen.
func (s *screen) place(w xproto.Window) image.Rectangle {
	s.t.Helper()
	r, err := s.Place(w)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// property reads a property of a window as numbers.
func (s *screen) property(w xproto.Window, name string) []uint32 {
	s.t.Helper()
	r, err := xproto.GetProperty(s.Conn, false, w, s.atom(name), xproto.GetPropertyTypeAny, 0, 1024).Reply()
	if err != nil {
		s.t.Fatal(err)
	}
	v := make([]uint32, len(r.Value)/4)
	for i := range v {
		v[i] = binary.LittleEndian.Uint32(r.Value[4*i:])
	}
	return v
}

func (s *screen) atom(name string) xproto.Atom {
	s.t.Helper()
	r, err := xproto.InternAtom(s.Conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Atom
}
