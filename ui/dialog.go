package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// newDialog shows an object above a window's content, with a title and buttons
// at its bottom right. The caller hides what it returns.
func newDialog(w fyne.Window, width float32, title string, content fyne.CanvasObject, buttons ...fyne.CanvasObject) *widget.PopUp {
	row := container.NewHBox(append([]fyne.CanvasObject{layout.NewSpacer()}, buttons...)...)
	box := container.NewVBox(newBold(title, sizeTitle, theme.ColorNameForeground), gap(2), content, gap(4), row)
	p := widget.NewModalPopUp(padded(18, 14, 18, 14, box), w.Canvas())
	p.Resize(fyne.NewSize(width, p.MinSize().Height))
	p.Show()
	return p
}

// confirm asks before something that is hard to undo.
func confirm(w fyne.Window, title, question, yes string, do func()) {
	text := newParagraph(question, theme.ColorNameForeground)
	confirmAbout(w, title, container.New(sized{424, 0}, text), yes, do)
}

// confirmAbout asks about something that is shown. Escape is no.
func confirmAbout(w fyne.Window, title string, content fyne.CanvasObject, yes string, do func()) {
	var p *widget.PopUp
	keys := dialogKeys{escape: func() { p.Hide() }}
	button := keys.button(yes, func() { p.Hide(); do() })
	button.Importance = widget.DangerImportance
	cancel := keys.button(textCancel, keys.escape)
	p = newDialog(w, 460, title, content, cancel, button)
	w.Canvas().Focus(cancel)
}

// dialogKeys are what Escape and Return do in the fields of a dialog.
type dialogKeys struct{ escape, enter func() }

// typed tells whether a key is one of them, and does it.
func (k dialogKeys) typed(e *fyne.KeyEvent) bool {
	switch {
	case e.Name == fyne.KeyEscape && k.escape != nil:
		k.escape()
	case (e.Name == fyne.KeyReturn || e.Name == fyne.KeyEnter) && k.enter != nil:
		k.enter()
	default:
		return false
	}
	return true
}

// button makes a button; Return presses it, too.
func (k dialogKeys) button(label string, tapped func()) *dialogButton {
	b := &dialogButton{keys: dialogKeys{k.escape, tapped}}
	b.Text, b.OnTapped = label, tapped
	b.ExtendBaseWidget(b)
	return b
}

func (k dialogKeys) entry() *dialogEntry {
	e := &dialogEntry{keys: k}
	e.ExtendBaseWidget(e)
	return e
}

func (k dialogKeys) choice(options []string) *dialogSelect {
	s := &dialogSelect{keys: dialogKeys{escape: k.escape}}
	s.Options = options
	s.ExtendBaseWidget(s)
	return s
}

func (k dialogKeys) choiceEntry(options []string) *dialogSelectEntry {
	e := &dialogSelectEntry{keys: k}
	e.ExtendBaseWidget(e)
	e.SetOptions(options)
	return e
}

type dialogButton struct {
	widget.Button
	keys dialogKeys
}

type dialogEntry struct {
	widget.Entry
	keys dialogKeys
}

type dialogSelect struct {
	widget.Select
	keys dialogKeys
}

type dialogSelectEntry struct {
	widget.SelectEntry
	keys dialogKeys
}

// TypedKey implements [fyne.Focusable].
func (b *dialogButton) TypedKey(e *fyne.KeyEvent) {
	if !b.keys.typed(e) {
		b.Button.TypedKey(e)
	}
}

// TypedKey implements [fyne.Focusable].
func (d *dialogEntry) TypedKey(e *fyne.KeyEvent) {
	if !d.keys.typed(e) {
		d.Entry.TypedKey(e)
	}
}

// TypedKey implements [fyne.Focusable].
func (s *dialogSelect) TypedKey(e *fyne.KeyEvent) {
	if !s.keys.typed(e) {
		s.Select.TypedKey(e)
	}
}

// TypedKey implements [fyne.Focusable].
func (d *dialogSelectEntry) TypedKey(e *fyne.KeyEvent) {
	if !d.keys.typed(e) {
		d.SelectEntry.TypedKey(e)
	}
}
