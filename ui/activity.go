package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// typePause is how long typing must pause before the log is filtered.
const typePause = 200 * time.Millisecond

// maxProgramChoices bounds the programs that the filter offers.
const maxProgramChoices = 50

// activityPage shows the activity log, live, newest first.
type activityPage struct {
	u    *UI
	root fyne.CanvasObject

	log      logPages
	list     *rowList
	text     *widget.Entry
	program  *widget.Select
	verdict  *widget.Select
	fresh    *widget.Button // appears when new lines came while older ones are read
	behind   int            // their number
	stale    bool           // lines came, or the engine went, while nothing was drawn
	chosen   string         // ID of the selected line
	detail   *fyne.Container
	typed    int               // counts keystrokes in the filter
	programs map[string]string // choice of the program filter → program

	allowed, blocked, waiting, rules *figure
}

func newActivityPage(u *UI) *activityPage {
	p := &activityPage{u: u, stale: true, programs: map[string]string{}}
	p.log = logPages{
		fetch: func(q LogQuery, done func([]LogLine, error)) {
			fetch(u, func(ctx context.Context) ([]LogLine, error) { return u.control.Log(ctx, q) }, done)
		},
		changed: p.redraw,
		failed:  u.fail,
	}
	p.list = newRowList(p.log.length, func() fyne.CanvasObject { return newLogRow(u.icons, p.menu) }, p.draw)
	p.list.choose = p.choose
	p.list.act = p.menuOfChosen

	p.allowed, p.blocked = newFigure(textAllowed, good), newFigure(textBlocked, bad)
	p.waiting, p.rules = newFigure(textWaiting, attention), newFigure(textRules, plain)
	figures := container.NewGridWithColumns(4, p.allowed.card, p.blocked.card, p.waiting.card, p.rules.card)

	p.text = widget.NewEntry()
	p.text.SetPlaceHolder(textFilter)
	p.text.OnChanged = func(string) { p.typing() }
	p.program = widget.NewSelect([]string{textAllPrograms}, func(string) { p.filter() })
	p.verdict = widget.NewSelect([]string{textAllVerdicts, "Allowed", "Blocked", "Asked"}, func(string) { p.filter() })
	p.program.Selected, p.verdict.Selected = textAllPrograms, textAllVerdicts
	choices := container.NewHBox(container.New(sized{170, 0}, p.program), container.New(sized{120, 0}, p.verdict))
	p.fresh = widget.NewButton("", p.toTop)
	p.fresh.Importance = widget.HighImportance
	p.fresh.Hide()
	p.detail = container.NewStack()
	p.detail.Hide()

	table := newCard(1, container.NewBorder(container.NewVBox(newLogHead(), widget.NewSeparator()), nil, nil, nil, withoutGaps(p.list)))
	filters := container.NewBorder(nil, nil, nil, choices, p.text)
	p.root = container.NewBorder(container.NewVBox(figures, gap(2), filters, p.fresh, gap(2)), p.detail, nil, nil, table)
	return p
}

func newLogHead() fyne.CanvasObject {
	heads := []string{"TIME", "PROGRAM", "PROTO", "REMOTE", "DIR", "REASON", "VERDICT"}
	c := container.New(headLayout{})
	for _, h := range heads {
		c.Add(newBold(h, 10, colorMuted))
	}
	return c
}

type headLayout struct{}

func (headLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(rowLeast, 30) }
func (headLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	x, w := logColumns(size.Width)
	for i, o := range objects {
		o.Move(fyne.NewPos(x[i], 0))
		o.Resize(fyne.NewSize(w[i], size.Height))
	}
}

func (p *activityPage) title() string             { return textActivity }
func (p *activityPage) object() fyne.CanvasObject { return p.root }
func (p *activityPage) search() fyne.Focusable    { return p.text }

func (p *activityPage) subtitle() string {
	n := countText(uint64(p.log.length()))
	switch {
	case p.u.state.Gone:
		return textLogStopped
	case p.behind > 0:
		return textLogPaused
	case p.log.full():
		return textLogFull(n)
	case !p.log.ended:
		return textLogMore(n)
	}
	return textLogAll(p.log.length())
}

func (p *activityPage) opened() {
	if p.stale && p.list.GetScrollOffset() == 0 {
		p.filter()
	}
}

func (p *activityPage) changed(s State) {
	if s.Gone {
		p.stale = true
	} else if p.stale && s.Known && p.u.main.visible && p.list.GetScrollOffset() == 0 {
		p.filter()
	}
	if !s.Known {
		return
	}
	st := s.Status
	total := st.Allowed + st.Blocked
	p.allowed.set(countText(st.Allowed), textSince(st.Started))
	p.blocked.set(countText(st.Blocked), textShare(st.Blocked, total))
	p.waiting.set(countText(uint64(len(s.Prompts))), textWaitingDetail(len(s.Prompts)))
	p.rules.set(countText(uint64(st.Rules)), textRulesDetail(st.Proposed))
}

// logged shows new lines, unless the person reads older ones: the list then
// stays where it is and a button counts what came.
func (p *activityPage) logged(lines []LogLine) {
	if p.list.GetScrollOffset() > 0 {
		for _, l := range lines {
			if p.log.query.Matches(l) {
				p.behind++
			}
		}
		p.showBehind()
		return
	}
	if p.behind > 0 || p.stale {
		p.filter() // lines were left out meanwhile
		return
	}
	if p.log.add(lines) > 0 {
		p.offer(lines)
		p.list.Refresh()
	}
}

func (p *activityPage) showBehind() {
	p.fresh.SetText(textNewLines(p.behind))
	if p.fresh.Hidden == (p.behind > 0) {
		p.fresh.Hidden = p.behind == 0
		p.root.Refresh()
	}
}

func (p *activityPage) toTop() {
	p.list.ScrollToTop()
	p.filter()
}

// typing filters once the person pauses.
func (p *activityPage) typing() {
	p.typed++
	now := p.typed
	time.AfterFunc(typePause, func() {
		p.u.do(func() {
			if now == p.typed {
				p.filter()
			}
		})
	})
}

// filter reads the log anew under what the fields say.
func (p *activityPage) filter() {
	p.stale, p.behind = false, 0
	q := LogQuery{Text: strings.TrimSpace(p.text.Text), Program: p.programs[p.program.Selected]}
	q.Verdict = map[string]string{"Allowed": "allow", "Blocked": "block", "Asked": "ask"}[p.verdict.Selected]
	p.list.ScrollToTop()
	p.showBehind()
	p.log.open(q)
}

func (p *activityPage) redraw() {
	if len(p.log.pages) > 0 {
		p.offer(p.log.pages[0].lines)
	}
	p.list.Refresh()
	p.u.main.heading()
}

// offer adds the lines' programs to those that can be filtered by.
func (p *activityPage) offer(lines []LogLine) {
	known := len(p.programs)
	for _, l := range lines {
		if l.Program == "" || l.Kind == "change" || len(p.programs) >= maxProgramChoices {
			continue
		}
		p.programs[p.choiceOf(l)] = l.Program
	}
	if len(p.programs) == known {
		return
	}
	choices := make([]string, 0, len(p.programs)+1)
	for c := range p.programs {
		choices = append(choices, c)
	}
	slices.SortFunc(choices, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	p.program.Options = append([]string{textAllPrograms}, choices...)
	p.program.Refresh()
}

// choiceOf is the program's name, with its path if the name is another's too.
func (p *activityPage) choiceOf(l LogLine) string {
	name := programName(l.Program, l.Name)
	if other, taken := p.programs[name]; taken && other != l.Program {
		return name + " (" + programDetail(l.Program) + ")"
	}
	return name
}

func (p *activityPage) draw(i int, o fyne.CanvasObject) {
	row := o.(*logRow)
	row.tap = func() { p.list.pick(i) }
	l, ok := p.log.line(i)
	if !ok {
		row.clear(i%2 == 1)
		return
	}
	row.set(l, i%2 == 1, l.ID == p.chosen)
}

func (p *activityPage) choose(i int) {
	l, ok := p.log.line(i)
	if !ok {
		return
	}
	p.chosen = l.ID
	p.showDetail(l, nil)
	p.explain(l)
	p.list.Refresh()
}

// figure is a card with a number.
type figure struct {
	card       fyne.CanvasObject
	value, sub *canvas.Text
	tone       tone
}

func newFigure(title string, t tone) *figure {
	f := &figure{value: newBold("–", sizeHeading, figureColor(t)), sub: newText("", sizeSmall, colorMuted), tone: t}
	f.card = newCard(12, container.NewVBox(newText(title, sizeSmall, colorMuted), f.value, f.sub))
	return f
}

func figureColor(t tone) fyne.ThemeColorName {
	if t == plain {
		return theme.ColorNameForeground
	}
	return t.text()
}

func (f *figure) set(value, sub string) {
	setText(f.value, value, theme.Color(figureColor(f.tone)))
	setText(f.sub, sub, theme.Color(colorMuted))
}
