//go:build e2e

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
)

// Inspection is what an end-to-end test may know of the windows.
type Inspection struct {
	Prompt   string // ID of the question on the screen, or ""
	Shielded bool   // it takes no input yet
	Windows  map[string]InspectedWindow
}

// InspectedWindow is a window that is on the screen: "prompt" or "main".
type InspectedWindow struct {
	XID   uint32
	Texts []InspectedText
}

// InspectedText is a text and where it is, in pixels of its window.
type InspectedText struct {
	Text       string
	X, Y, W, H int
}

// Inspect looks at the windows. It is called on Fyne's goroutine.
func (u *UI) Inspect() Inspection {
	i := Inspection{Windows: map[string]InspectedWindow{}}
	if w := u.prompt; w.visible {
		i.Prompt, i.Shielded = w.queue.shown, w.view.shield.Visible()
		i.Windows["prompt"] = inspect(w.window)
	}
	if w := u.main; w.visible {
		i.Windows["main"] = inspect(w.window)
	}
	return i
}

func inspect(w fyne.Window) InspectedWindow {
	i := InspectedWindow{XID: uint32(nativeWindow(w))}
	for _, root := range append([]fyne.CanvasObject{w.Content()}, w.Canvas().Overlays().List()...) {
		texts(w.Canvas(), root, fyne.Position{}, &i.Texts)
	}
	return i
}

// texts collects what is written in an object, without laying anything out.
func texts(c fyne.Canvas, o fyne.CanvasObject, at fyne.Position, all *[]InspectedText) {
	if o == nil || !o.Visible() {
		return
	}
	at = at.Add(o.Position())
	var inside []fyne.CanvasObject
	switch o := o.(type) {
	case *canvas.Text:
		x0, y0 := c.PixelCoordinateForPosition(at)
		x1, y1 := c.PixelCoordinateForPosition(at.Add(o.Size()))
		*all = append(*all, InspectedText{o.Text, x0, y0, x1 - x0, y1 - y0})
	case *fyne.Container:
		inside = o.Objects
	case fyne.Widget:
		inside = test.WidgetRenderer(o).Objects()
	}
	for _, k := range inside {
		texts(c, k, at, all)
	}
}

// Window returns the prompt's or the main window.
func (u *UI) Window(name string) fyne.Window {
	if name == "prompt" {
		return u.prompt.window
	}
	return u.main.window
}
