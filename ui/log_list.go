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
	act    func()      // Return or the menu key
}

func newRowList(length func() int, create func() fyne.CanvasObject, update func(int, fyne.CanvasObject)) *rowList {
	l := &rowList{}
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

// TypedKey implements [fyne.Focusable].
func (l *rowList) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeyReturn, fyne.KeyEnter, desktop.KeyMenu:
		if l.act != nil {
			l.act()
		}
	case fyne.KeyUp, fyne.KeyDown:
		l.List.TypedKey(e)
		if !l.space {
			l.List.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
		}
	case fyne.KeyHome:
		l.ScrollToTop()
	default:
		l.List.TypedKey(e)
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
