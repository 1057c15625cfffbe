package ui

import (
	"context"
	"errors"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// inboxPage lists the open questions, those also that nobody answered in time,
// to answer them one by one or together.
type inboxPage struct {
	u    *UI
	root *fyne.Container

	prompts  []Prompt                    // that which was tried last first
	verdicts map[string]firewall.Verdict // chosen so far, by prompt ID; left open if not there

	list    *rowList
	table   fyne.CanvasObject
	help    *canvas.Text
	none    *canvas.Text
	confirm *widget.Button
	bar     *fyne.Container
}

func newInboxPage(u *UI) *inboxPage {
	p := &inboxPage{u: u, verdicts: map[string]firewall.Verdict{}}
	p.list = newRowList(func() int { return len(p.prompts) }, func() fyne.CanvasObject { return newChoiceRow(u.icons, rowVerdicts, textLeaveOpen) }, p.draw)
	p.list.choose, p.list.space = p.turn, true
	p.table = newCard(1, withoutGaps(p.list))
	p.help = newText(textInboxHelp, sizeRow, colorMuted)
	p.none = newText(textInboxEmpty, sizeText, colorMuted)
	p.confirm = widget.NewButton("", p.answer)
	p.confirm.Importance = widget.HighImportance
	p.bar = container.NewBorder(nil, nil, container.NewHBox(
		widget.NewButton(textAllowAll, func() { p.chooseAll(firewall.Allow) }),
		widget.NewButton(textBlockAll, func() { p.chooseAll(firewall.Block) }),
		widget.NewButton(textLeaveAll, func() { p.chooseAll(firewall.Ask) })), p.confirm)
	p.root = container.NewStack()
	return p
}

func (p *inboxPage) title() string             { return textInbox }
func (p *inboxPage) subtitle() string          { return textInboxCount(len(p.prompts)) }
func (p *inboxPage) object() fyne.CanvasObject { return p.root }
func (p *inboxPage) search() fyne.Focusable    { return nil }

// opened shows the questions here instead of in the prompt, which would lie
// over the buttons.
func (p *inboxPage) opened() {
	p.u.prompt.stepAside()
	p.changed(p.u.state)
}

func (p *inboxPage) changed(s State) {
	p.prompts = slices.Clone(s.Prompts)
	slices.SortStableFunc(p.prompts, func(a, b Prompt) int { return b.Last.Compare(a.Last) })
	open := map[string]bool{}
	for _, q := range p.prompts {
		open[q.ID] = true
	}
	for id := range p.verdicts {
		if !open[id] {
			delete(p.verdicts, id)
		}
	}
	var o fyne.CanvasObject = container.NewVBox(p.none)
	if len(p.prompts) > 0 {
		o = container.NewBorder(container.NewVBox(p.help, gap(2)), padded(0, 6, 0, 0, p.bar), nil, nil, p.table)
	}
	p.root.Objects = []fyne.CanvasObject{o}
	p.root.Refresh()
	p.list.Refresh()
	p.count()
}

// verdict is what was chosen for a question; asking leaves it open.
func (p *inboxPage) verdict(id string) firewall.Verdict {
	if v, ok := p.verdicts[id]; ok {
		return v
	}
	return firewall.Ask
}

// count says on the button how many answers it gives.
func (p *inboxPage) count() {
	allow, block := 0, 0
	for _, v := range p.verdicts {
		switch v {
		case firewall.Allow:
			allow++
		case firewall.Block:
			block++
		}
	}
	p.confirm.SetText(textAnswerCount(allow, block))
	if allow+block == 0 {
		p.confirm.Disable()
	} else {
		p.confirm.Enable()
	}
}

func (p *inboxPage) chooseAll(v firewall.Verdict) {
	for _, q := range p.prompts {
		p.verdicts[q.ID] = v
	}
	p.list.Refresh()
	p.count()
}

// turn goes on to a row's next verdict.
func (p *inboxPage) turn(i int) {
	at := slices.Index(rowVerdicts, p.verdict(p.prompts[i].ID))
	p.set(i, rowVerdicts[(at+1)%len(rowVerdicts)])
}

func (p *inboxPage) set(i int, v firewall.Verdict) {
	p.verdicts[p.prompts[i].ID] = v
	p.list.RefreshItem(i)
	p.count()
}

// answer gives the chosen answers, each for as long as its question can be
// answered.
func (p *inboxPage) answer() {
	var answers []Answer
	for _, q := range p.prompts {
		if v := p.verdict(q.ID); v != firewall.Ask {
			answers = append(answers, Answer{ID: q.ID, Verdict: v, Scope: "program", For: longest(q)})
		}
	}
	p.u.work(func(ctx context.Context) error {
		var failed error
		for _, a := range answers {
			if err := p.u.control.Answer(ctx, a); err != nil && !errors.Is(err, ErrNotFound) {
				failed = errors.Join(failed, err)
			}
		}
		return failed
	}, p.u.fail)
}

// longest is how long an answer to a question can hold.
func longest(p Prompt) string {
	switch {
	case p.OnlyOnce:
		return "once"
	case p.Inline:
		return "exit"
	}
	return "always"
}

func (p *inboxPage) draw(i int, o fyne.CanvasObject) {
	q := p.prompts[i]
	text := choiceText{program: q.Program, name: programName(q.Program, q.Name), detail: soughtText(q), more: triedText(q)}
	o.(*choiceRow).set(text, p.verdict(q.ID), i%2 == 1, func(v firewall.Verdict) { p.set(i, v) })
}
