package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/assets"
)

// Sizes of text.
const (
	sizeSmall   = 11
	sizeRow     = 12
	sizeText    = 13
	sizeTitle   = 15
	sizeHeading = 20
)

// newText makes a line of text in a colour of the theme.
func newText(s string, size float32, c fyne.ThemeColorName) *canvas.Text {
	t := canvas.NewText(s, theme.Color(c))
	t.TextSize = size
	return t
}

// newBold makes a line of heavy text in a colour of the theme.
func newBold(s string, size float32, c fyne.ThemeColorName) *canvas.Text {
	t := newText(s, size, c)
	t.TextStyle.Bold = true
	return t
}

// newParagraph makes text that wraps at the width that it gets.
func newParagraph(s string, c fyne.ThemeColorName) *widget.RichText {
	p := widget.NewRichText(&widget.TextSegment{Text: s, Style: widget.RichTextStyle{ColorName: c, SizeName: theme.SizeNameText}})
	p.Wrapping = fyne.TextWrapWord
	return p
}

// setText changes a text, and redraws it only if it differs.
func setText(t *canvas.Text, s string, c color.Color) {
	if t.Text == s && t.Color == c {
		return
	}
	t.Text, t.Color = s, c
	t.Refresh()
}

// setFill changes a rectangle, and redraws it only if it differs.
func setFill(r *canvas.Rectangle, c color.Color) {
	if r.FillColor == c {
		return
	}
	r.FillColor = c
	r.Refresh()
}

// newIcon shows one of our icons in a colour of the theme, size by size pixels.
func newIcon(name string, size float32, c fyne.ThemeColorName) fyne.CanvasObject {
	return container.New(sized{size, size}, widget.NewIcon(iconResource(name, c)))
}

// iconResource is one of our icons in a colour of the theme.
func iconResource(name string, c fyne.ThemeColorName) fyne.Resource {
	r := theme.NewThemedResource(fyne.NewStaticResource(name+".svg", assets.Icon(name)))
	r.ColorName = c
	return r
}

// padded puts space around an object.
func padded(left, top, right, bottom float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedLayout(top, bottom, left, right), o)
}

// gap is empty vertical space.
func gap(height float32) fyne.CanvasObject {
	r := canvas.NewRectangle(color.Transparent)
	r.SetMinSize(fyne.NewSize(1, height))
	return r
}

// newCard puts an object on a rounded surface.
func newCard(padding float32, o fyne.CanvasObject) *fyne.Container {
	back := canvas.NewRectangle(theme.Color(colorCard))
	back.CornerRadius = 10
	back.StrokeColor = theme.Color(colorBorder)
	back.StrokeWidth = 1
	return container.NewStack(back, padded(padding, padding, padding, padding, o))
}

// tone is the colour of a pill or a figure.
type tone int

const (
	plain tone = iota
	good
	bad
	attention
)

func (t tone) text() fyne.ThemeColorName {
	return [...]fyne.ThemeColorName{colorMuted, colorOK, colorBad, colorAsk}[t]
}

func (t tone) back() fyne.ThemeColorName {
	return [...]fyne.ThemeColorName{colorSelected, colorOKBack, colorBadBack, colorAskBack}[t]
}

// pill is a short word on a rounded, coloured surface.
type pill struct {
	Container *fyne.Container
	back      *canvas.Rectangle
	word      *canvas.Text
}

func newPill(s string, t tone) *pill {
	p := &pill{back: canvas.NewRectangle(color.Transparent), word: newBold(s, sizeSmall, t.text())}
	p.back.CornerRadius = 9
	p.word.Alignment = fyne.TextAlignCenter
	p.Container = container.NewStack(p.back, padded(9, 2, 9, 2, p.word))
	p.set(s, t)
	return p
}

func (p *pill) set(s string, t tone) {
	setFill(p.back, theme.Color(t.back()))
	setText(p.word, s, theme.Color(t.text()))
}

// sized is a layout that gives every object the same, fixed size; a zero side
// is as large as the largest object.
type sized struct{ width, height float32 }

func (s sized) MinSize(objects []fyne.CanvasObject) fyne.Size {
	m := fyne.NewSize(s.width, s.height)
	for _, o := range objects {
		k := o.MinSize()
		if s.width == 0 {
			m.Width = max(m.Width, k.Width)
		}
		if s.height == 0 {
			m.Height = max(m.Height, k.Height)
		}
	}
	return m
}

func (s sized) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.Position{})
		o.Resize(size)
	}
}
