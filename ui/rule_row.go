package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// ruleRow shows a program, or one rule below it.
type ruleRow struct {
	widget.BaseWidget
	menu func(ruleLine, fyne.Position)
	tap  func()

	line     ruleLine
	selected bool
	width    float32

	back, badge, rim            *canvas.Rectangle
	name, detail, until, source *canvas.Text
	verdict                     *canvas.Text
	tile                        *tile
}

func newRuleRow(icons *iconFinder, menu func(ruleLine, fyne.Position)) *ruleRow {
	r := &ruleRow{
		menu: menu, back: canvas.NewRectangle(color.Transparent), badge: canvas.NewRectangle(color.Transparent),
		rim:  canvas.NewRectangle(color.Transparent),
		name: newText("", sizeText, theme.ColorNameForeground), detail: newText("", sizeSmall, colorMuted),
		until: newText("", sizeSmall, colorMuted), source: newText("", sizeSmall, colorMuted),
		verdict: newBold("", sizeSmall, theme.ColorNameForeground), tile: newTile(22, icons),
	}
	r.badge.CornerRadius = 10
	r.verdict.Alignment = fyne.TextAlignCenter
	r.ExtendBaseWidget(r)
	return r
}

// Tapped selects the row.
func (r *ruleRow) Tapped(*fyne.PointEvent) { r.tap() }

// TappedSecondary opens the row's menu.
func (r *ruleRow) TappedSecondary(e *fyne.PointEvent) { r.menu(r.line, e.AbsolutePosition) }

func (r *ruleRow) set(l ruleLine, selected bool) {
	r.line, r.selected = l, selected
	r.draw()
	r.arrange(r.Size())
}

func (r *ruleRow) draw() {
	back, rim := color.Color(color.Transparent), theme.Color(theme.ColorNameSeparator)
	ink, muted := theme.Color(theme.ColorNameForeground), theme.Color(colorMuted)
	l := r.line
	isRule := l.rule != nil
	r.tile.Container.Hidden, r.badge.Hidden, r.verdict.Hidden = isRule, !isRule, !isRule
	if !isRule {
		rim = color.Transparent
		name := programName(l.program, "")
		r.name.TextStyle.Bold, r.name.TextSize = true, sizeText
		setText(r.name, name, ink)
		used := fyne.MeasureText(name, sizeText, fyne.TextStyle{Bold: true}).Width
		setText(r.detail, fit(programDetail(l.program), r.width-used-180, sizeSmall, false), muted)
		setText(r.until, "", muted)
		setText(r.source, plural(l.rules, "rule", "rules"), muted)
		r.tile.set(name, l.program)
		back = theme.Color(theme.ColorNameHeaderBackground)
	} else {
		if !l.rule.Enabled {
			ink = muted
		}
		r.name.TextStyle.Bold, r.name.TextSize = false, sizeRow
		setText(r.name, fit(ruleScopeText(*l.rule), r.width*0.52-44, sizeRow, false), ink)
		setText(r.detail, "", muted)
		setText(r.until, fit(untilText(l.rule.Until), 170, sizeSmall, false), muted)
		setText(r.source, ruleSource(*l.rule), muted)
		word, t := ruleVerdictText(l.rule.Verdict)
		if !l.rule.Enabled {
			t = plain
		}
		setFill(r.badge, theme.Color(t.back()))
		setText(r.verdict, word, theme.Color(t.text()))
	}
	if r.selected {
		back = theme.Color(theme.ColorNameSelection)
	}
	setFill(r.back, back)
	setFill(r.rim, rim)
}

// ruleSource says what is special about a rule.
func ruleSource(r Rule) string {
	switch {
	case !r.Enabled:
		return "Disabled"
	case r.Proposed:
		return "To confirm"
	case r.Builtin:
		return "Built in"
	case r.Learned:
		return "Learned"
	}
	return ""
}

func (r *ruleRow) arrange(size fyne.Size) {
	r.back.Resize(size)
	r.rim.Move(fyne.NewPos(44, 0))
	r.rim.Resize(fyne.NewSize(size.Width-44, 1))
	r.tile.Container.Move(fyne.NewPos(12, (size.Height-22)/2))
	r.tile.Container.Resize(fyne.NewSize(22, 22))
	place := func(t *canvas.Text, x, width float32) {
		t.Move(fyne.NewPos(x, 0))
		t.Resize(fyne.NewSize(width, size.Height))
	}
	place(r.name, 44, size.Width*0.52)
	used := fyne.MeasureText(r.name.Text, r.name.TextSize, r.name.TextStyle).Width
	place(r.detail, 44+used+10, size.Width)
	place(r.until, size.Width*0.52+8, 180)
	place(r.source, size.Width-170, 80)
	r.badge.Move(fyne.NewPos(size.Width-82, (size.Height-20)/2))
	r.badge.Resize(fyne.NewSize(64, 20))
	r.verdict.Move(r.badge.Position())
	r.verdict.Resize(r.badge.Size())
}

func (r *ruleRow) CreateRenderer() fyne.WidgetRenderer { return &ruleRowRenderer{r} }

type ruleRowRenderer struct{ r *ruleRow }

func (x *ruleRowRenderer) Layout(size fyne.Size) {
	if x.r.width != size.Width {
		x.r.width = size.Width
		x.r.draw()
	}
	x.r.arrange(size)
}

func (x *ruleRowRenderer) MinSize() fyne.Size { return fyne.NewSize(560, 36) }
func (x *ruleRowRenderer) Refresh()           {}
func (x *ruleRowRenderer) Destroy()           {}
func (x *ruleRowRenderer) Objects() []fyne.CanvasObject {
	r := x.r
	return []fyne.CanvasObject{r.back, r.rim, r.tile.Container, r.name, r.detail, r.until, r.source, r.badge, r.verdict}
}
