// demo is the hand and the eye of scripts/demo: it presses buttons of the
// windows through the X server, as a person would, and takes pictures.
//
//	demo supported             whether this kernel lets a firewall in; the reason if not
//	demo shown                 wait until a question is on the screen
//	demo press allow|deny      click on a button of the question, once it takes clicks
//	demo open PAGE             show a page of the main window
//	demo picture FILE          save what is on the screen
//
// The program must be built with the tag e2e, and listen at
// SALLYPORT_E2E_SOCKET: that is how a button is found.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"sallyport.dev/sallyport/firewall/netfilter"
)

// patience is how long anything on the screen may take.
const patience = 30 * time.Second

func main() {
	xgb.Logger.SetOutput(io.Discard) // it tells of a missing .Xauthority, which Xvfb does not need
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "supported":
		return netfilter.Supported()
	case len(args) == 1 && args[0] == "shown":
		_, err := until(func(w windows) bool { return w.Prompt != "" && w.XID != 0 })
		return err
	case len(args) == 2 && args[0] == "press":
		return press(args[1])
	case len(args) == 2 && args[0] == "open":
		return tell(new(string), "open "+args[1])
	case len(args) == 2 && args[0] == "picture":
		return picture(args[1])
	}
	return errors.New("usage: demo supported | shown | press allow|deny | open PAGE | picture FILE")
}

// windows is what the program says of them.
type windows struct {
	Prompt   string
	Shielded bool
	XID      uint32
	Buttons  map[string]struct{ X, Y, W, H int }
}

// tell gives the program a command and decodes the answer.
func tell(answer any, command string) error {
	c, err := net.Dial("unix", os.Getenv("SALLYPORT_E2E_SOCKET"))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, command)
	return json.NewDecoder(c).Decode(answer)
}

// until waits for what holds of the windows.
func until(holds func(windows) bool) (windows, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		var w windows
		err := tell(&w, "dump")
		if err == nil && holds(w) {
			return w, nil
		}
		select {
		case <-tick.C:
		case <-late:
			return w, errors.Join(errors.New("the window does not get there"), err)
		}
	}
}

func press(button string) error {
	w, err := until(func(w windows) bool { return w.Prompt != "" && !w.Shielded })
	if err != nil {
		return err
	}
	b, ok := w.Buttons[button]
	if !ok {
		return fmt.Errorf("there is no button %q", button)
	}
	conn, err := xgb.NewConn()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := xtest.Init(conn); err != nil {
		return err
	}
	root := xproto.Setup(conn).DefaultScreen(conn).Root
	at, err := xproto.TranslateCoordinates(conn, xproto.Window(w.XID), root, int16(b.X+b.W/2), int16(b.Y+b.H/2)).Reply()
	if err != nil {
		return err
	}
	const motion, down, up, left = 6, 4, 5, 1
	xtest.FakeInput(conn, motion, 0, 0, root, at.DstX, at.DstY, 0)
	xtest.FakeInput(conn, down, left, 0, root, 0, 0, 0)
	xtest.FakeInput(conn, up, left, 0, root, 0, 0, 0)
	conn.Sync()
	_, err = until(func(now windows) bool { return now.Prompt != w.Prompt })
	return err
}

func picture(path string) error {
	conn, err := xgb.NewConn()
	if err != nil {
		return err
	}
	defer conn.Close()
	screen := xproto.Setup(conn).DefaultScreen(conn)
	w, h := int(screen.WidthInPixels), int(screen.HeightInPixels)
	r, err := xproto.GetImage(conn, xproto.ImageFormatZPixmap, xproto.Drawable(screen.Root), 0, 0, uint16(w), uint16(h), ^uint32(0)).Reply()
	if err != nil {
		return err
	}
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.Set(i%w, i/w, color.NRGBA{r.Data[4*i+2], r.Data[4*i+1], r.Data[4*i], 255})
	}
	if !strings.HasSuffix(path, ".png") {
		return fmt.Errorf("%s: want a name that ends in .png", path)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, m), f.Close())
}
