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

// rowVerdicts are what can be chosen for a program, in the order in which
// Space goes through them.
var rowVerdicts = []firewall.Verdict{firewall.Allow, firewall.Ask, firewall.Block}

// choiceRow is a program with verdicts beside each other.
type choiceRow struct {
	widget.BaseWidget
	width    float32
	shows    choiceText
	verdicts []firewall.Verdict

	back         *canvas.Rectangle
	tile         *tile
	name, detail *canvas.Text
	more         *canvas.Text
	choices      []*choicePill
}

// choiceText is what a row says of its program. Without a name it goes on with
// the program of the row above.
type choiceText struct{ program, name, detail, more string }

// newChoiceRow makes a row with these verdicts; undecided is the word for that
// to ask.
func newChoiceRow(icons *iconFinder, verdicts []firewall.Verdict, undecided string) *choiceRow {
	r := &choiceRow{
		verdicts: verdicts,
		back:     canvas.NewRectangle(color.Transparent), tile: newTile(22, icons),
		name: newBold("", sizeText, theme.ColorNameForeground), detail: newText("", sizeSmall, colorMuted),
		more: newText("", sizeSmall, colorMuted),
	}
	for _, v := range verdicts {
		word, _ := ruleVerdictText(v)
		if v == firewall.Ask {
			word = undecided
		}
		r.choices = append(r.choices, newChoicePill(v, word))
	}
	r.ExtendBaseWidget(r)
	return r
}

func (r *choiceRow) set(text choiceText, chosen firewall.Verdict, odd bool, choose func(firewall.Verdict)) {
	back := color.Color(color.Transparent)
	if odd {
		back = theme.Color(colorRowAlt)
	}
	setFill(r.back, back)
	r.shows = text
	r.tile.set(text.name, text.program)
	for _, c := range r.choices {
		c.choose = choose
		c.show(c.verdict == chosen)
	}
	r.draw()
}

// The widths of a row's parts.
const (
	choiceName  = 190
	choiceWidth = 66
)

// room is what the verdicts take.
func (r *choiceRow) room() float32 { return float32(len(r.verdicts))*choiceWidth + 12 }

func (r *choiceRow) draw() {
	setVisible(r.tile.Container, r.shows.name != "")
	setText(r.name, fit(r.shows.name, choiceName-10, sizeText, true), theme.Color(theme.ColorNameForeground))
	room := max(0, r.width-44-choiceName-r.room()-10)
	setText(r.detail, fitMiddle(r.shows.detail, room, sizeSmall, fyne.TextStyle{}), theme.Color(colorMuted))
	setText(r.more, fitMiddle(r.shows.more, room, sizeSmall, fyne.TextStyle{}), theme.Color(colorMuted))
	r.place()
}

// place puts the lines beside the name: one, or two of half the height.
func (r *choiceRow) place() {
	size, left := r.Size(), float32(44+choiceName)
	height := size.Height
	if r.shows.more != "" {
		height = size.Height/2 - 2
	}
	top := (size.Height - height) / 2
	if r.shows.more != "" {
		top = 3
	}
	width := max(0, size.Width-left-r.room())
	r.detail.Move(fyne.NewPos(left, top))
	r.detail.Resize(fyne.NewSize(width, height))
	r.more.Move(fyne.NewPos(left, top+height-1))
	r.more.Resize(fyne.NewSize(width, height))
}

func (r *choiceRow) CreateRenderer() fyne.WidgetRenderer { return &choiceRowRenderer{r} }

type choiceRowRenderer struct{ r *choiceRow }

func (x *choiceRowRenderer) Layout(size fyne.Size) {
	r := x.r
	r.back.Resize(size)
	r.tile.Container.Move(fyne.NewPos(12, (size.Height-22)/2))
	r.tile.Container.Resize(fyne.NewSize(22, 22))
	r.name.Move(fyne.NewPos(44, 0))
	r.name.Resize(fyne.NewSize(choiceName, size.Height))
	r.place()
	for i, c := range r.choices {
		c.Move(fyne.NewPos(size.Width-r.room()+float32(i)*choiceWidth, (size.Height-24)/2))
		c.Resize(fyne.NewSize(64, 24))
	}
	if r.width != size.Width {
		r.width = size.Width
		r.draw()
	}
}

func (x *choiceRowRenderer) MinSize() fyne.Size { return fyne.NewSize(560, 40) }
func (x *choiceRowRenderer) Refresh()           {}
func (x *choiceRowRenderer) Destroy()           {}
func (x *choiceRowRenderer) Objects() []fyne.CanvasObject {
	r := x.r
	all := []fyne.CanvasObject{r.back, r.tile.Container, r.name, r.detail, r.more}
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

func newChoicePill(v firewall.Verdict, word string) *choicePill {
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
