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
	var p *widget.PopUp
	button := widget.NewButton(yes, func() { p.Hide(); do() })
	button.Importance = widget.DangerImportance
	cancel := widget.NewButton(textCancel, func() { p.Hide() })
	text := newParagraph(question, theme.ColorNameForeground)
	p = newDialog(w, 460, title, container.New(sized{424, 0}, text), cancel, button)
	w.Canvas().Focus(cancel)
}
