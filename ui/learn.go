package ui

import (
	"context"
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// learnVerdicts are what can become of a proposal: it becomes a rule, or it is
// forgotten and its program asked about.
var learnVerdicts = []firewall.Verdict{firewall.Allow, firewall.Ask}

// learnPage lists the rules that mode learn proposes, those of one program
// below each other.
type learnPage struct {
	u    *UI
	root *fyne.Container

	rows []learnRow
	asks map[string]bool // proposals that are not to become rules, by ID

	list       *rowList
	table      fyne.CanvasObject
	help, none *canvas.Text
	confirm    *widget.Button
	bar        *fyne.Container
}

// learnRow is a proposal; first tells that those of its program begin.
type learnRow struct {
	ProposedRule
	first, odd bool
}

func newLearnPage(u *UI) *learnPage {
	p := &learnPage{u: u, asks: map[string]bool{}, root: container.NewStack()}
	p.list = newRowList(func() int { return len(p.rows) }, func() fyne.CanvasObject { return newChoiceRow(u.icons, learnVerdicts, textAsk) }, p.draw)
	p.list.choose, p.list.space = func(i int) { p.set(i, !p.asks[p.rows[i].ID]) }, true
	p.table = newCard(1, withoutGaps(p.list))
	p.help = newText(textLearnHelp, sizeRow, colorMuted)
	p.none = newText(textNothingLearned, sizeText, colorMuted)
	p.confirm = widget.NewButton("", p.end)
	p.confirm.Importance = widget.HighImportance
	p.bar = container.NewBorder(nil, nil, container.NewHBox(
		widget.NewButton(textAllowAll, func() { p.setAll(false) }),
		widget.NewButton(textAskAll, func() { p.setAll(true) })), p.confirm)
	return p
}

func (p *learnPage) title() string             { return textLearned }
func (p *learnPage) subtitle() string          { return textLearnTitle }
func (p *learnPage) object() fyne.CanvasObject { return p.root }
func (p *learnPage) search() fyne.Focusable    { return nil }

func (p *learnPage) opened() {
	fetch(p.u, p.u.control.Lessons, func(lessons []Lesson, err error) {
		if err != nil {
			p.u.fail(err)
			return
		}
		p.rows = nil
		for i, l := range lessons {
			for j, one := range l.Proposals {
				p.rows = append(p.rows, learnRow{one, j == 0, i%2 == 1})
			}
		}
		p.changed(p.u.state)
		p.list.Refresh()
	})
}

func (p *learnPage) changed(State) {
	var o fyne.CanvasObject = container.NewVBox(p.none)
	if len(p.rows) > 0 {
		o = container.NewBorder(container.NewVBox(p.help, gap(2)), padded(0, 6, 0, 0, p.bar), nil, nil, p.table)
	}
	p.confirm.SetText(p.confirmText())
	p.root.Objects = []fyne.CanvasObject{o}
	p.root.Refresh()
}

// chosen are the IDs of the proposals that are, or are not, to become rules.
func (p *learnPage) chosen(asks bool) []string {
	ids := []string{}
	for _, r := range p.rows {
		if p.asks[r.ID] == asks {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (p *learnPage) confirmText() string {
	return fmt.Sprintf("Make %s, ask about %d", plural(len(p.chosen(false)), "rule", "rules"), len(p.chosen(true)))
}

func (p *learnPage) setAll(ask bool) {
	for _, r := range p.rows {
		p.asks[r.ID] = ask
	}
	p.list.Refresh()
	p.confirm.SetText(p.confirmText())
}

func (p *learnPage) set(i int, ask bool) {
	p.asks[p.rows[i].ID] = ask
	p.list.RefreshItem(i)
	p.confirm.SetText(p.confirmText())
}

func (p *learnPage) end() {
	accept, discard := p.chosen(false), p.chosen(true)
	p.u.work(func(ctx context.Context) error {
		_, err := p.u.control.EndLessons(ctx, accept, discard)
		return err
	}, func(err error) {
		p.u.fail(err)
		p.opened()
	})
}

func (p *learnPage) draw(i int, o fyne.CanvasObject) {
	r := p.rows[i]
	verdict := firewall.Allow
	if p.asks[r.ID] {
		verdict = firewall.Ask
	}
	text := choiceText{program: r.Rule.Program, detail: ruleScopeText(r.Rule) + " · " + plural(int(r.Count), "connection", "connections")}
	if r.first {
		text.name = programName(r.Rule.Program, "")
	}
	o.(*choiceRow).set(text, verdict, r.odd, func(v firewall.Verdict) { p.set(i, v == firewall.Ask) })
}

// lasting is the mode that is in force when none ends by itself.
func (s Status) lasting() firewall.Mode {
	if s.ModeAfter != nil {
		return *s.ModeAfter
	}
	return s.Mode
}

// modeEndText says when the mode ends by itself; "" if it does not.
func modeEndText(s Status) string {
	if s.ModeUntil == nil || s.ModeAfter == nil {
		return ""
	}
	return fmt.Sprintf("until %s, then %s", s.ModeUntil.Local().Format("15:04"), modeName(*s.ModeAfter))
}

// modeName is the mode's name within a sentence.
func modeName(m firewall.Mode) string {
	switch m {
	case firewall.ModeAsk:
		return "new programs are asked about"
	case firewall.ModeAllow:
		return "new programs pass"
	case firewall.ModeBlock:
		return "new programs are blocked"
	case firewall.ModeOff:
		return "everything passes"
	case firewall.ModeLearn:
		return "new programs pass and are learned"
	}
	return "all traffic is locked"
}

const (
	textRuleUser = "User"
	textRuleLock = "When locked"
	textStopped  = "Stopped by the lock"
	textPasses   = "Passes the lock"

	textLearned        = "Learned"
	textLearnTitle     = "Rules that learning proposes"
	textLearnHelp      = "None of these is a rule before you accept it. Those set to Ask are asked about when they next try."
	textNothingLearned = "Nothing is proposed. Learning begins in the settings."
)

func textLearnedCount(n int) string {
	return "Rules are proposed for what " + plural(n, "program", "programs") + " did while learning."
}

// modeTimes are how long a mode lasts, as the settings offer it.
var modeTimes = []modeTime{{"until I change it", 0}, {"for 10 minutes", 10}, {"for 30 minutes", 30}, {"for 1 hour", 60}, {"for 4 hours", 240}, {"for 1 day", 1440}}

type modeTime struct {
	name    string
	minutes int
}

// lasts tells whether the mode may end by itself.
func lasts(m firewall.Mode) bool { return m != firewall.ModeAsk && m != firewall.ModeLock }
