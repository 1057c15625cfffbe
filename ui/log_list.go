package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// rowList is a list without gaps between its rows, in which the arrow keys
// select, and Return or the menu key opens what the row offers.
type rowList struct {
	widget.List
	choose func(i int) // a row was selected
	space  bool        // the arrow keys only move, Space selects
	at     int         // the row that the arrow keys start from
	act    func()      // Return or the menu key
}

func newRowList(length func() int, create func() fyne.CanvasObject, update func(int, fyne.CanvasObject)) *rowList {
	l := &rowList{at: -1}
	l.Length, l.CreateItem, l.UpdateItem = length, create, update
	l.HideSeparators = true
	l.OnSelected = func(i int) {
		// The page keeps the selection by what the row shows, for rows move.
		l.Unselect(i)
		if l.choose != nil {
			l.choose(i)
		}
	}
	l.ExtendBaseWidget(l)
	return l
}

// pick selects a row that was tapped. A row with a menu of its own has to take
// every tap: the list never learns of those.
func (l *rowList) pick(i int) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(l); c != nil {
		c.Focus(l)
	}
	l.at = i
	l.Select(i)
}

// FocusGained implements [fyne.Focusable]. A list that is browsed by Space marks
// the row that has the focus; the others show what is selected.
func (l *rowList) FocusGained() {
	if l.space {
		l.List.FocusGained()
	}
}

// FocusLost implements [fyne.Focusable].
func (l *rowList) FocusLost() {
	if l.space {
		l.List.FocusLost()
	}
}

// TypedKey implements [fyne.Focusable].
func (l *rowList) TypedKey(e *fyne.KeyEvent) {
	switch {
	case l.space:
		l.List.TypedKey(e)
	case e.Name == fyne.KeyReturn, e.Name == fyne.KeyEnter, e.Name == desktop.KeyMenu:
		if l.act != nil {
			l.act()
		}
	case e.Name == fyne.KeyUp && l.at > 0:
		l.pick(l.at - 1)
	case e.Name == fyne.KeyDown && l.at < l.Length()-1:
		l.pick(l.at + 1)
	case e.Name == fyne.KeyHome:
		l.at = 0
		l.ScrollToTop()
	}
}

// tight is the theme without gaps between rows.
type tight struct{ fyne.Theme }

func (t tight) Size(n fyne.ThemeSizeName) float32 {
	if n == theme.SizeNamePadding {
		return 0
	}
	return t.Theme.Size(n)
}

// withoutGaps shows a list's rows one directly below the other.
func withoutGaps(l fyne.CanvasObject) fyne.CanvasObject {
	return container.NewThemeOverride(l, tight{fyne.CurrentApp().Settings().Theme()})
}
