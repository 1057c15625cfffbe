package ui

import (
	"fyne.io/fyne/v2"

	"sallyport.dev/sallyport/firewall"
)

// prepare makes the window and draws an example in it where nobody sees it:
// making a window, reading fonts and compiling shaders take longer than a
// question may take to appear.
func (w *promptWindow) prepare() {
	if w.window != nil {
		return
	}
	if w.place = newPlacement(); !w.place.works() {
		return
	}
	w.make()
	w.before = func() bool { return w.place.park(w.window) }
	example := Prompt{Program: "/usr/bin/example", Name: "example", PID: 1, Warnings: []string{"an example"}, Facts: []string{labelStartedBy + "init", "user: root"}, Protocol: firewall.TCP, Host: "example.org", Remote: "192.0.2.1", Port: 443, Others: 1}
	w.view = newPromptView(example, w.u.icons, promptActions{answer: func(bool) {}, step: func(int) {}, later: func() {}, typed: func(rune) {}})
	w.body.Objects = []fyne.CanvasObject{w.view.content}
	w.fit()
	w.quietly(w.window.Show)
	w.window.Hide()
	w.place.unpark(w.window)
	w.place.put(w.window, w.size)
}

// beforeMap is a layout that fills the window and calls do, until it returns
// true, with the native window made but not yet on the screen.
type beforeMap struct {
	do   func() bool
	done bool
}

func (b *beforeMap) MinSize(o []fyne.CanvasObject) fyne.Size {
	if len(o) == 0 {
		return fyne.NewSize(promptWidth, 1)
	}
	return fyne.NewSize(promptWidth, o[0].MinSize().Height)
}

func (b *beforeMap) Layout(o []fyne.CanvasObject, size fyne.Size) {
	for _, c := range o {
		c.Resize(size)
	}
	if !b.done {
		b.done = b.do()
	}
}
