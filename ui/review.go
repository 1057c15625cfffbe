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

	rules    []Rule
	verdicts map[string]firewall.Verdict // chosen so far, by rule ID; allowed if not there

	choice     fyne.CanvasObject
	start      *widget.Check // whether to start at login; nil where it cannot be chosen
	seen       *canvas.Text
	list       *rowList
	table      fyne.CanvasObject
	help, none *canvas.Text
	confirm    *widget.Button
	bar        *fyne.Container
}

func newReviewPage(u *UI) *reviewPage {
	p := &reviewPage{u: u, verdicts: map[string]firewall.Verdict{}}
	p.seen = newText("", sizeRow, colorMuted)
	ask := widget.NewButton(textAskBegin, func() { p.choose(firewall.ModeAsk) })
	ask.Importance = widget.HighImportance
	keep := widget.NewButton(textKeepOpen, func() { p.choose(firewall.ModeAllow) })
	question := container.NewVBox(
		newBold(textAskFirst, sizeTitle, theme.ColorNameForeground),
		padded(-6, 0, 0, 0, newParagraph(textFirstRun+" "+textAskMeans, theme.ColorNameForeground)),
		p.seen)
	if u.options.Autostart != nil {
		p.start = widget.NewCheck(textAutostartAsk, nil)
		p.start.Checked = true
		question.Add(padded(-6, 0, 0, 0, p.start))
	}
	question.Add(gap(4))
	question.Add(container.NewHBox(ask, keep))
	p.choice = newCard(18, question)

	p.list = newRowList(func() int { return len(p.rules) }, func() fyne.CanvasObject { return newChoiceRow(u.icons, rowVerdicts, textAsk) }, p.draw)
	p.list.choose, p.list.space = p.turn, true
	p.table = newCard(1, withoutGaps(p.list))
	p.help = newText(textReviewHelp, sizeRow, colorMuted)
	p.none = newText(textNothingSeen, sizeText, colorMuted)
	p.confirm = widget.NewButton("", p.confirmChosen)
	p.confirm.Importance = widget.HighImportance
	p.bar = container.NewBorder(nil, nil, container.NewHBox(
		widget.NewButton(textAllowAll, func() { p.chooseAll(firewall.Allow) }),
		widget.NewButton(textAskAll, func() { p.chooseAll(firewall.Ask) })), p.confirm)
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
	if p.start != nil {
		setVisible(p.start, s.Status.FirstRun)
	}
	var o fyne.CanvasObject
	switch {
	case collecting(s.Status):
		o = container.NewVBox(p.choice)
	case len(p.rules) == 0:
		o = container.NewVBox(p.none)
	default:
		o = container.NewBorder(container.NewVBox(p.help, gap(2)), padded(0, 6, 0, 0, p.bar), nil, nil, p.table)
	}
	p.confirm.SetText(p.confirmText())
	p.root.Objects = []fyne.CanvasObject{o}
	p.root.Refresh()
}

func (p *reviewPage) choose(m firewall.Mode) {
	start := p.start != nil && p.start.Checked && p.u.state.Status.FirstRun
	p.u.work(func(ctx context.Context) error {
		if err := p.u.control.SetMode(ctx, m); err != nil || !start {
			return err
		}
		return p.u.options.Autostart.Enable()
	}, func(err error) {
		p.u.fail(err)
		p.opened()
	})
}

// verdict is what was chosen for a rule.
func (p *reviewPage) verdict(id string) firewall.Verdict {
	if v, ok := p.verdicts[id]; ok {
		return v
	}
	return firewall.Allow
}

// with are the IDs of the rules that have a verdict.
func (p *reviewPage) with(v firewall.Verdict) []string {
	ids := []string{}
	for _, r := range p.rules {
		if p.verdict(r.ID) == v {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (p *reviewPage) confirmText() string {
	return textConfirmCount(len(p.with(firewall.Allow)), len(p.with(firewall.Block)), len(p.with(firewall.Ask)))
}

func (p *reviewPage) chooseAll(v firewall.Verdict) {
	for _, r := range p.rules {
		p.verdicts[r.ID] = v
	}
	p.list.Refresh()
	p.confirm.SetText(p.confirmText())
}

// turn goes on to a row's next verdict.
func (p *reviewPage) turn(i int) {
	at := slices.Index(rowVerdicts, p.verdict(p.rules[i].ID))
	p.set(i, rowVerdicts[(at+1)%len(rowVerdicts)])
}

func (p *reviewPage) set(i int, v firewall.Verdict) {
	p.verdicts[p.rules[i].ID] = v
	p.list.RefreshItem(i)
	p.confirm.SetText(p.confirmText())
}

func (p *reviewPage) confirmChosen() {
	allow, block := p.with(firewall.Allow), p.with(firewall.Block)
	p.u.work(func(ctx context.Context) error { return p.u.control.Confirm(ctx, allow, block) }, func(err error) {
		p.u.fail(err)
		p.opened()
	})
}

func (p *reviewPage) draw(i int, o fyne.CanvasObject) {
	r := p.rules[i]
	text := choiceText{program: r.Program, name: programName(r.Program, ""), detail: programDetail(r.Program)}
	o.(*choiceRow).set(text, p.verdict(r.ID), i%2 == 1, func(v firewall.Verdict) { p.set(i, v) })
}
