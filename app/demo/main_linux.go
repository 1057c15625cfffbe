// demo is the person in scripts/demo: it finds the windows of the program on
// the screen, as it is shipped, clicks, types and takes pictures.
//
//	demo supported             whether this kernel lets a firewall in; the reason if not
//	demo ready                 wait until the main window is on the screen
//	demo shown                 wait until a question is on the screen
//	demo press allow|deny      click on a button of the question, until it is answered
//	demo open activity|programs|review|settings
//	                           show a page of the main window, by its keys
//	demo picture FILE          save what is on the screen
package main

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"slices"
	"time"

	"github.com/jezek/xgb/xproto"

	"sallyport.dev/sallyport/app/e2e/screen"
	"sallyport.dev/sallyport/firewall/netfilter"
)

// patience is how long anything on the screen may take.
const patience = 30 * time.Second

// clickPause is the time between two clicks on a button: a question that just
// appeared takes none.
const clickPause = 300 * time.Millisecond

// Titles of the windows, and the colours of the question's buttons.
const (
	promptTitle = "Sallyport asks"
	mainTitle   = "Sallyport"
)

var buttons = map[string]color.NRGBA{"allow": {0x23, 0x91, 0x5b, 255}, "deny": {0xc9, 0x3c, 0x43, 255}}

var pages = []string{"activity", "programs", "review", "settings"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "supported" {
		return netfilter.Supported()
	}
	s, err := screen.Join("")
	if err != nil {
		return err
	}
	defer s.Close()
	switch {
	case len(args) == 1 && args[0] == "ready":
		return until(func() bool { return s.Window(mainTitle) != 0 })
	case len(args) == 1 && args[0] == "shown":
		return until(func() bool { _, found := button(s, "allow"); return found })
	case len(args) == 2 && args[0] == "press" && buttons[args[1]] != color.NRGBA{}:
		return press(s, args[1])
	case len(args) == 2 && args[0] == "open" && slices.Contains(pages, args[1]):
		s.Focus(s.Window(mainTitle))
		return s.Press(screen.Control, xproto.Keysym('1'+slices.Index(pages, args[1])))
	case len(args) == 2 && args[0] == "picture":
		return s.Save(args[1])
	}
	return errors.New("usage: demo supported | ready | shown | press allow|deny | open PAGE | picture FILE")
}

// until waits for something on the screen.
func until(holds func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-late:
			return errors.New("the window does not get there")
		}
	}
	return nil
}

// button finds a button of the question by its colour.
func button(s *screen.Screen, name string) (image.Rectangle, bool) {
	w := s.Window(promptTitle)
	if w == 0 {
		return image.Rectangle{}, false
	}
	area, err := s.Place(w)
	if err != nil {
		return image.Rectangle{}, false
	}
	area.Min.Y += area.Dy() / 2 // above, a warning may have the same colour
	at, err := s.Find(buttons[name], area)
	return at, err == nil && !at.Empty()
}

// press clicks on a button until the question goes.
func press(s *screen.Screen, name string) error {
	var at image.Rectangle
	if err := until(func() (found bool) { at, found = button(s, name); return found }); err != nil {
		return err
	}
	var clicked time.Time
	return until(func() bool {
		if time.Since(clicked) > clickPause {
			clicked = time.Now()
			s.Click(at.Min.Add(at.Size().Div(2)), screen.Left)
		}
		return s.Window(promptTitle) == 0
	})
}
