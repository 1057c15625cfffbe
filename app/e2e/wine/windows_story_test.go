//go:build linux

// Package wine tests the windows as Windows has them: the programs, built with
// mingw, run in Wine under Xvfb, and are clicked through the X server. Pictures
// are left in build/windows.
package wine

import (
	"image"
	"strings"
	"testing"

	"github.com/jezek/xgb/xproto"

	xscreen "sallyport.dev/sallyport/app/e2e/screen"
)

const (
	notepad = `C:\windows\notepad.exe` // has an icon
	updater = `C:\Users\me\AppData\Local\Programs\Updater\updater.exe`
	runKey  = `HKCU\Software\Microsoft\Windows\CurrentVersion\Run`
)

// starts tells whether the windows start when the person logs in.
func (w *world) starts() bool {
	w.t.Helper()
	return strings.Contains(w.run("wine", "reg", "query", runKey), `sallyportw.exe" --hidden`)
}

func (w *world) press(letter rune) {
	w.t.Helper()
	if err := w.screen.Press(xproto.Keysym(letter)); err != nil {
		w.t.Fatal(err)
	}
}

func TestAQuestionIsAskedOnWindows(t *testing.T) {
	w := newWorld(t)
	w.run("wine", "reg", "add", runKey, "/f")
	w.run("wine", "reg", "delete", runKey, "/va", "/f") // of an earlier test
	w.start()
	w.sees("main", "How should Sallyport begin?")
	w.screen.picture("first-choice")
	if w.starts() {
		t.Fatal("it starts at login before anybody was asked")
	}
	w.click("main", "Start asking")
	w.sees("main", "Nothing waits to be confirmed.")
	poll(t, "it starts at login", w.starts)

	main := w.screen.active()
	w.dial(notepad, "93.184.216.34:443")
	w.asks("notepad.exe")
	if edge, want := w.screen.where(titles["prompt"]).Max, w.screen.size.Max.Sub(image.Pt(12, 12)); edge != want {
		t.Errorf("the prompt ends at %v, want %v", edge, want)
	}
	if w.screen.active() != main {
		t.Error("the prompt has taken the focus")
	}
	w.screen.picture("prompt")
	w.click("prompt", "Allow")
	w.decides("allow", notepad, 1)
	w.asksNothing()
	w.dial(notepad, "93.184.216.34:443")
	w.decides("allow", notepad, 2)

	// The prompt is shown again, and gets the keys by a second start only: a
	// letter that is typed before goes to the main window. Wine does not tell
	// the X server which of its windows has them.
	w.dial(updater, "203.0.113.9:8443")
	w.asks("updater.exe")
	w.press('a')
	w.start()
	poll(t, "the question is guarded anew", func() bool { return w.inspect().Shielded })
	w.asks("updater.exe")
	w.press('d')
	w.decides("block", updater, 1)
	w.asksNothing()

	w.open("activity")
	w.sees("main", "updater.exe")
	w.screen.picture("activity")
	w.open("programs")
	w.sees("main", notepad)
	w.screen.picture("programs")
	w.open("settings")
	w.sees("main", "Time to answer")
	w.screen.picture("settings")
	w.click("main", "When I log in")
	poll(t, "it no longer starts at login", func() bool { return !w.starts() })
}

func TestTheTrayOnWindows(t *testing.T) {
	w := newWorld(t)
	w.start("--hidden")
	const tray = "Wine System Tray" // Wine's taskbar, where a desktop has none for it
	var icon image.Point
	poll(t, "the icon is there", func() bool {
		icon = w.screen.where(tray).Min.Add(image.Pt(10, 10))
		return !w.screen.where(tray).Empty()
	})
	if w.screen.Window(titles["main"]) != 0 {
		t.Error("a window opens although there is a tray")
	}
	w.ask("mode", "ask")
	w.screen.Click(icon, xscreen.Right)
	poll(t, "the menu opens", func() bool { return !w.screen.menu().Empty() })
	// A question is shown also while the menu is open.
	w.dial(notepad, "93.184.216.34:443")
	w.sees("prompt", "notepad.exe wants to connect")
	w.screen.picture("tray-menu")
	const third = 3 + 2*17 + 8 // pixels: a line of Wine's menu has 17; "Lock all traffic"
	w.screen.Click(w.screen.menu().Min.Add(image.Pt(60, third)), xscreen.Left)
	poll(t, "all traffic is locked", func() bool {
		return strings.HasPrefix(w.ask("mode"), "lock")
	})
	w.asksNothing()
	w.screen.picture("tray-locked")

	w.screen.Click(icon, xscreen.Left)
	w.sees("main", "Activity")
	w.open("settings")
	w.click("main", "Quit")
	poll(t, "the program ends", func() bool { return !w.running() })
}
