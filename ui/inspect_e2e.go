//go:build e2e

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
)

// Inspection is what an end-to-end test may know of the windows.
type Inspection struct {
	Prompt   string          // ID of the question on the screen, or ""
	Shielded bool            // it takes no input yet
	XID      uint32          // of the prompt's window
	Buttons  map[string]Rect // of the prompt, in pixels of its window
	Main     []string        // the texts in the main window
}

// Rect is where a widget is.
type Rect struct{ X, Y, W, H int }

// Inspect looks at the windows. It is called on Fyne's goroutine.
func (u *UI) Inspect() Inspection {
	i := Inspection{Buttons: map[string]Rect{}}
	if w := u.prompt; w.visible {
		i.Prompt, i.Shielded, i.XID = w.queue.shown, w.view.shield.Visible(), uint32(nativeWindow(w.window))
		for name, o := range map[string]fyne.CanvasObject{"allow": w.view.allow, "deny": w.view.deny} {
			p := u.app.Driver().AbsolutePositionForObject(o)
			x0, y0 := w.window.Canvas().PixelCoordinateForPosition(p)
			x1, y1 := w.window.Canvas().PixelCoordinateForPosition(p.AddXY(o.Size().Width, o.Size().Height))
			i.Buttons[name] = Rect{x0, y0, x1 - x0, y1 - y0}
		}
	}
	if w := u.Window("main"); w != nil && w.Content() != nil {
		texts(w.Content(), &i.Main)
	}
	return i
}

// Window returns the prompt's or the main window.
func (u *UI) Window(name string) fyne.Window {
	if name == "prompt" {
		return u.prompt.window
	}
	return u.main.window
}

// texts collects what is written in an object, without laying anything out.
func texts(o fyne.CanvasObject, all *[]string) {
	if !o.Visible() {
		return
	}
	var inside []fyne.CanvasObject
	switch o := o.(type) {
	case *canvas.Text:
		*all = append(*all, o.Text)
	case *fyne.Container:
		inside = o.Objects
	case fyne.Widget:
		inside = test.WidgetRenderer(o).Objects()
	}
	for _, c := range inside {
		texts(c, all)
	}
}
