package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// reviewVerdicts are what can be chosen for a program that was seen, in the
// order in which Space goes through them.
var reviewVerdicts = []firewall.Verdict{firewall.Allow, firewall.Ask, firewall.Block}

// reviewRow is a program with the three verdicts beside each other.
type reviewRow struct {
	widget.BaseWidget
	width    float32
	path     string
	verdicts []firewall.Verdict
	about    string // in the place of what is known of the path
	more     bool   // the program is that of the row above

	back         *canvas.Rectangle
	tile         *tile
	name, detail *canvas.Text
	choices      []*choicePill
}

func newReviewRow(icons *iconFinder, verdicts []firewall.Verdict) *reviewRow {
	r := &reviewRow{
		verdicts: verdicts,
		back:     canvas.NewRectangle(color.Transparent), tile: newTile(22, icons),
		name: newBold("", sizeText, theme.ColorNameForeground), detail: newText("", sizeSmall, colorMuted),
	}
	for _, v := range verdicts {
		r.choices = append(r.choices, newChoicePill(v))
	}
	r.ExtendBaseWidget(r)
	return r
}

func (r *reviewRow) set(program string, chosen firewall.Verdict, odd bool, choose func(firewall.Verdict)) {
	back := color.Color(color.Transparent)
	if odd {
		back = theme.Color(colorRowAlt)
	}
	setFill(r.back, back)
	r.path = program
	r.tile.set(programName(program, ""), program)
	for _, c := range r.choices {
		c.choose = choose
		c.show(c.verdict == chosen)
	}
	r.draw()
}

// The widths of a row's parts.
const (
	reviewName   = 190
	reviewChoice = 66
)

// room is what the verdicts take.
func (r *reviewRow) room() float32 { return float32(len(r.verdicts))*reviewChoice + 12 }

func (r *reviewRow) draw() {
	name, about := programName(r.path, ""), r.about
	if r.more {
		name = ""
	}
	if about == "" {
		about = programDetail(r.path)
	}
	setVisible(r.tile.Container, !r.more)
	setText(r.name, fit(name, reviewName-10, sizeText, true), theme.Color(theme.ColorNameForeground))
	room := max(0, r.width-44-reviewName-r.room()-10)
	setText(r.detail, fitMiddle(about, room, sizeSmall, fyne.TextStyle{}), theme.Color(colorMuted))
}

func (r *reviewRow) CreateRenderer() fyne.WidgetRenderer { return &reviewRowRenderer{r} }

type reviewRowRenderer struct{ r *reviewRow }

func (x *reviewRowRenderer) Layout(size fyne.Size) {
	r := x.r
	r.back.Resize(size)
	r.tile.Container.Move(fyne.NewPos(12, (size.Height-22)/2))
	r.tile.Container.Resize(fyne.NewSize(22, 22))
	r.name.Move(fyne.NewPos(44, 0))
	r.name.Resize(fyne.NewSize(reviewName, size.Height))
	r.detail.Move(fyne.NewPos(44+reviewName, 0))
	r.detail.Resize(fyne.NewSize(max(0, size.Width-44-reviewName-r.room()), size.Height))
	for i, c := range r.choices {
		c.Move(fyne.NewPos(size.Width-r.room()+float32(i)*reviewChoice, (size.Height-24)/2))
		c.Resize(fyne.NewSize(64, 24))
	}
	if r.width != size.Width {
		r.width = size.Width
		r.draw()
	}
}

func (x *reviewRowRenderer) MinSize() fyne.Size { return fyne.NewSize(560, 40) }
func (x *reviewRowRenderer) Refresh()           {}
func (x *reviewRowRenderer) Destroy()           {}
func (x *reviewRowRenderer) Objects() []fyne.CanvasObject {
	r := x.r
	all := []fyne.CanvasObject{r.back, r.tile.Container, r.name, r.detail}
	for _, c := range r.choices {
		all = append(all, c)
	}
	return all
}

// choicePill is one of a row's verdicts; a tap chooses it.
type choicePill struct {
	widget.BaseWidget
	verdict firewall.Verdict
	choose  func(firewall.Verdict)
	back    *canvas.Rectangle
	word    *canvas.Text
	chosen  bool
	hovered bool
}

func newChoicePill(v firewall.Verdict) *choicePill {
	word, _ := ruleVerdictText(v)
	c := &choicePill{verdict: v, back: canvas.NewRectangle(color.Transparent), word: newBold(word, sizeSmall, colorMuted)}
	c.back.CornerRadius = 12
	c.word.Alignment = fyne.TextAlignCenter
	c.ExtendBaseWidget(c)
	return c
}

func (c *choicePill) show(chosen bool) {
	c.chosen = chosen
	_, t := ruleVerdictText(c.verdict)
	switch {
	case chosen:
		setFill(c.back, theme.Color(t.back()))
		setText(c.word, c.word.Text, theme.Color(t.text()))
	case c.hovered:
		setFill(c.back, theme.Color(theme.ColorNameHover))
		setText(c.word, c.word.Text, theme.Color(theme.ColorNameForeground))
	default:
		setFill(c.back, color.Transparent)
		setText(c.word, c.word.Text, theme.Color(colorMuted))
	}
}

func (c *choicePill) Tapped(*fyne.PointEvent)        { c.choose(c.verdict) }
func (c *choicePill) MouseIn(*desktop.MouseEvent)    { c.hovered = true; c.show(c.chosen) }
func (c *choicePill) MouseMoved(*desktop.MouseEvent) {}
func (c *choicePill) MouseOut()                      { c.hovered = false; c.show(c.chosen) }
func (c *choicePill) Cursor() desktop.Cursor         { return desktop.PointerCursor }

func (c *choicePill) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewStack(c.back, c.word))
}
