package ui

import (
	"io"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// EntryIn is the entry that an object is, or nil.
func EntryIn(o fyne.CanvasObject) *widget.Entry {
	switch o := o.(type) {
	case *widget.Entry:
		return o
	case *dialogEntry:
		return &o.Entry
	}
	return nil
}

// ButtonIn is the button that an object is, or nil.
func ButtonIn(o fyne.CanvasObject) *widget.Button {
	switch o := o.(type) {
	case *widget.Button:
		return o
	case *dialogButton:
		return &o.Button
	}
	return nil
}

// SelectIn is the choice that an object is, or nil.
func SelectIn(o fyne.CanvasObject) *widget.Select {
	switch o := o.(type) {
	case *widget.Select:
		return o
	case *dialogSelect:
		return &o.Select
	}
	return nil
}

// ExportTo is what happens once the person has chosen a file.
func (u *UI) ExportTo(to io.WriteCloser) { u.exportTo(to) }

// ImportFrom is what happens once the person has chosen a file.
func (u *UI) ImportFrom(name string, from io.ReadCloser) { u.importFrom(name, from) }

// HeldLines is how many lines of the log are in memory.
func (u *UI) HeldLines() int {
	n := len(u.main.activity.log.head)
	for _, p := range u.main.activity.log.pages {
		n += len(p.lines)
	}
	return n
}

// TextWholePath asks for a program's whole path.
var TextWholePath = sentence(textWholePath)
