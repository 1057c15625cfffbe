package ui

import (
	"context"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// reviewPage puts the first choice, and then lists the programs seen while
// nothing was asked, to confirm.
type reviewPage struct {
	u    *UI
	root *fyne.Container

	rules     []Rule
	unchecked map[string]bool // by rule ID

	choice     fyne.CanvasObject
	seen       *canvas.Text
	list       *rowList
	table      fyne.CanvasObject
	help, none *canvas.Text
	confirm    *widget.Button
	bar        *fyne.Container
}

func newReviewPage(u *UI) *reviewPage {
	p := &reviewPage{u: u, unchecked: map[string]bool{}}
	p.seen = newText("", sizeRow, colorMuted)
	ask := widget.NewButton(textAskBegin, func() { p.choose(firewall.ModeAsk) })
	ask.Importance = widget.HighImportance
	keep := widget.NewButton(textKeepOpen, func() { p.choose(firewall.ModeAllow) })
	p.choice = newCard(18, container.NewVBox(
		newBold(textAskFirst, sizeTitle, theme.ColorNameForeground),
		padded(-6, 0, 0, 0, newParagraph(textFirstRun+" "+textAskMeans, theme.ColorNameForeground)),
		p.seen, gap(4), container.NewHBox(ask, keep)))

	p.list = newRowList(func() int { return len(p.rules) }, func() fyne.CanvasObject { return newCheckRow() }, p.draw)
	p.list.choose = p.toggle
	p.table = newCard(1, withoutGaps(p.list))
	p.help = newText(textReviewHelp, sizeRow, colorMuted)
	p.none = newText(textNothingSeen, sizeText, colorMuted)
	p.confirm = widget.NewButton(textConfirm, p.confirmChecked)
	p.confirm.Importance = widget.HighImportance
	p.bar = container.NewBorder(nil, nil, container.NewHBox(
		widget.NewButton(textCheckAll, func() { p.checkAll(true) }),
		widget.NewButton(textCheckNone, func() { p.checkAll(false) })), p.confirm)
	p.root = container.NewStack()
	return p
}

func (p *reviewPage) title() string             { return textReview }
func (p *reviewPage) object() fyne.CanvasObject { return p.root }
func (p *reviewPage) search() fyne.Focusable    { return nil }

func (p *reviewPage) subtitle() string {
	if collecting(p.u.state.Status) {
		return textAskFirst
	}
	return textReviewTitle
}

func (p *reviewPage) opened() {
	fetch(p.u, p.u.control.Rules, func(rules []Rule, err error) {
		if err != nil {
			p.u.fail(err)
			return
		}
		p.rules = slices.DeleteFunc(rules, func(r Rule) bool { return !r.Proposed })
		slices.SortFunc(p.rules, func(a, b Rule) int {
			return strings.Compare(strings.ToLower(programName(a.Program, "")), strings.ToLower(programName(b.Program, "")))
		})
		p.changed(p.u.state)
		p.list.Refresh()
	})
}

// collecting tells that nobody is asked yet: there is nothing to confirm.
func collecting(s Status) bool { return s.FirstRun || s.Mode == firewall.ModeAllow }

// changed shows the choice first, and the list once it was made.
func (p *reviewPage) changed(s State) {
	setText(p.seen, textSeenCount(s.Status.Proposed), theme.Color(colorMuted))
	var o fyne.CanvasObject
	switch {
	case collecting(s.Status):
		o = container.NewVBox(p.choice)
	case len(p.rules) == 0:
		o = container.NewVBox(p.none)
	default:
		o = container.NewBorder(container.NewVBox(p.help, gap(2)), padded(0, 6, 0, 0, p.bar), nil, nil, p.table)
	}
	p.confirm.SetText(textConfirmCount(len(p.checked())))
	p.root.Objects = []fyne.CanvasObject{o}
	p.root.Refresh()
}

func (p *reviewPage) choose(m firewall.Mode) {
	p.u.work(func(ctx context.Context) error { return p.u.control.SetMode(ctx, m) }, func(err error) {
		p.u.fail(err)
		p.opened()
	})
}

func (p *reviewPage) checked() []string {
	ids := []string{}
	for _, r := range p.rules {
		if !p.unchecked[r.ID] {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (p *reviewPage) checkAll(on bool) {
	for _, r := range p.rules {
		p.unchecked[r.ID] = !on
	}
	p.list.Refresh()
	p.changed(p.u.state)
}

func (p *reviewPage) toggle(i int) {
	id := p.rules[i].ID
	p.unchecked[id] = !p.unchecked[id]
	p.list.RefreshItem(i)
	p.confirm.SetText(textConfirmCount(len(p.checked())))
}

func (p *reviewPage) confirmChecked() {
	ids := p.checked()
	p.u.work(func(ctx context.Context) error { return p.u.control.Confirm(ctx, ids, nil) }, func(err error) {
		p.u.fail(err)
		p.opened()
	})
}

func (p *reviewPage) draw(i int, o fyne.CanvasObject) {
	r := p.rules[i]
	o.(*checkRow).set(r.Program, !p.unchecked[r.ID])
}

// checkRow is a program with a box; a tap on the row, or Space, changes it.
type checkRow struct {
	widget.BaseWidget
	box          *widget.Icon
	tile         *tile
	name, detail *canvas.Text
}

func newCheckRow() *checkRow {
	r := &checkRow{box: widget.NewIcon(nil), tile: newTile(22), name: newBold("", sizeText, theme.ColorNameForeground), detail: newText("", sizeSmall, colorMuted)}
	r.ExtendBaseWidget(r)
	return r
}

func (r *checkRow) set(program string, on bool) {
	icon := theme.Icon(theme.IconNameCheckButton)
	if on {
		icon = theme.NewPrimaryThemedResource(theme.Icon(theme.IconNameCheckButtonChecked))
	}
	r.box.SetResource(icon)
	r.tile.set(programName(program, ""), program)
	setText(r.name, fit(programName(program, ""), 220, sizeText, true), theme.Color(theme.ColorNameForeground))
	setText(r.detail, fit(programDetail(program), 480, sizeSmall, false), theme.Color(colorMuted))
}

func (r *checkRow) CreateRenderer() fyne.WidgetRenderer {
	box := container.NewCenter(container.New(sized{20, 20}, r.box))
	row := container.NewHBox(box, padded(6, 0, 6, 0, container.NewCenter(r.tile.Container)), container.New(sized{230, 0}, r.name), r.detail)
	return widget.NewSimpleRenderer(padded(12, 8, 12, 8, row))
}

func (r *checkRow) MinSize() fyne.Size { return fyne.NewSize(560, 40) }
