package ui

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// programsPage lists the rules under the programs that they are about.
type programsPage struct {
	u    *UI
	root fyne.CanvasObject

	all     []Rule
	lines   []ruleLine
	count   int // programs shown
	chosen  string
	reveals string // a rule to scroll to once the rules are read

	choice                 *ruleChooser
	list                   *rowList
	field                  *widget.Entry
	empty                  *canvas.Text
	about                  *canvas.Text
	change, toggle, remove *widget.Button
}

// ruleLine is a line of the list: a program, or one of its rules.
type ruleLine struct {
	program string
	rules   int   // of the program
	rule    *Rule // nil for the program's own line
}

func newProgramsPage(u *UI) *programsPage {
	p := &programsPage{u: u}
	p.list = newRowList(func() int { return len(p.lines) }, func() fyne.CanvasObject { return newRuleRow(u.icons, p.menu) }, p.draw)
	p.list.choose = p.choose
	p.list.act = p.edit
	p.choice = newRuleChooser(p)
	p.field = widget.NewEntry()
	p.field.SetPlaceHolder(textSearchRules)
	p.field.OnChanged = func(string) { p.arrange(); u.main.heading() }
	add := widget.NewButtonWithIcon(textAddRule, iconResource("add", theme.ColorNameForegroundOnPrimary), func() {
		showRuleForm(u, Rule{Until: "always", Enabled: true})
	})
	add.Importance = widget.HighImportance
	p.empty = newText(textNoRules, sizeText, colorMuted)
	p.empty.Alignment = fyne.TextAlignCenter
	p.about = newText("", sizeRow, colorMuted)
	p.change = widget.NewButton(textChange, p.edit)
	p.toggle = widget.NewButton(textDisable, p.toggleChosen)
	p.remove = widget.NewButton(textRemove, p.removeChosen)
	p.remove.Importance = widget.DangerImportance
	actions := container.NewBorder(nil, nil, nil, container.NewHBox(p.change, p.toggle, p.remove), padded(8, 0, 0, 0, p.about))
	table := newCard(1, container.NewStack(withoutGaps(p.list), p.empty))
	transfer := widget.NewButton(textTransfer, nil)
	transfer.OnTapped = func() { p.transferMenu(transfer) }
	p.root = container.NewBorder(container.NewVBox(container.NewBorder(nil, nil, nil, container.NewHBox(p.choice.object(), transfer, add), container.NewVBox(layout.NewSpacer(), p.field, layout.NewSpacer())), gap(2)), padded(0, 6, 0, 0, actions), nil, nil, table)
	p.buttons()
	return p
}

func (p *programsPage) title() string             { return textPrograms }
func (p *programsPage) subtitle() string          { return textProgramsCount(p.count, len(p.lines)-p.count) }
func (p *programsPage) object() fyne.CanvasObject { return p.root }
func (p *programsPage) search() fyne.Focusable    { return p.field }
func (p *programsPage) changed(State)             {}

func (p *programsPage) opened() {
	fetch(p.u, p.u.control.Rules, func(rules []Rule, err error) {
		if err != nil {
			p.u.fail(err)
			return
		}
		p.all = rules
		p.rearrange()
	})
}

// reveal selects a rule once the page opens.
func (p *programsPage) reveal(id string) {
	p.chosen, p.reveals = id, id
	p.choice.showAll()
	if p.field.Text != "" {
		p.field.SetText("")
	}
}

// arrange sorts the rules that match the search under their programs.
func (p *programsPage) arrange() {
	text := strings.ToLower(strings.TrimSpace(p.field.Text))
	byProgram := map[string][]*Rule{}
	var programs []string
	for i := range p.all {
		r := &p.all[i]
		if !r.Contains(text) || !p.choice.shows(r) {
			continue
		}
		if byProgram[r.Program] == nil {
			programs = append(programs, r.Program)
		}
		byProgram[r.Program] = append(byProgram[r.Program], r)
	}
	slices.SortFunc(programs, func(a, b string) int {
		if (a == "*") != (b == "*") {
			return strings.Compare(b, a)
		}
		return cmp.Or(strings.Compare(strings.ToLower(programName(a, "")), strings.ToLower(programName(b, ""))), strings.Compare(a, b))
	})
	p.inOrder(programs, byProgram)
	p.lines, p.count = p.lines[:0], len(programs)
	for _, program := range programs {
		p.lines = append(p.lines, ruleLine{program: program, rules: len(byProgram[program])})
		for _, r := range byProgram[program] {
			p.lines = append(p.lines, ruleLine{program: program, rule: r})
		}
	}
	p.empty.Hidden = len(p.lines) > 0
	p.empty.Refresh()
	p.list.Refresh()
	p.buttons()
	p.showClean()
	if p.reveals != "" {
		i := slices.IndexFunc(p.lines, func(l ruleLine) bool { return l.rule != nil && l.rule.ID == p.reveals })
		p.reveals = ""
		if i < 0 {
			p.about.Text = textNoSuchRule
			p.about.Refresh()
			return
		}
		p.list.ScrollTo(i)
	}
}

func (p *programsPage) draw(i int, o fyne.CanvasObject) {
	l, row := p.lines[i], o.(*ruleRow)
	row.tap = func() { p.list.pick(i) }
	row.set(l, l.rule != nil && l.rule.ID == p.chosen)
}

func (p *programsPage) choose(i int) {
	p.chosen = ""
	if r := p.lines[i].rule; r != nil {
		p.chosen = r.ID
	}
	p.list.Refresh()
	p.buttons()
	p.opened() // how often it was used is told to nobody
}

// rule is the selected one.
func (p *programsPage) rule() (Rule, bool) {
	for _, r := range p.all {
		if p.chosen != "" && r.ID == p.chosen {
			return r, true
		}
	}
	return Rule{}, false
}

func (p *programsPage) buttons() {
	r, ok := p.rule()
	about := textSelectRule
	if ok {
		about = textUsed(r)
		if made := textMadeBy(r); made != "" {
			about += " · " + made
		}
		if r.Note != "" {
			about = shown(r.Note) + " · " + about
		}
	}
	setText(p.about, about, theme.Color(colorMuted))
	for _, b := range []*widget.Button{p.change, p.toggle, p.remove} {
		if ok {
			b.Enable()
		} else {
			b.Disable()
		}
	}
	p.toggle.SetText(textDisable)
	if ok && !r.Enabled {
		p.toggle.SetText(textEnable)
	}
}

func (p *programsPage) edit() {
	if r, ok := p.rule(); ok {
		showRuleForm(p.u, r)
	}
}

func (p *programsPage) toggleChosen() {
	if r, ok := p.rule(); ok {
		r.Enabled = !r.Enabled
		p.u.work(func(ctx context.Context) error { return p.u.control.ChangeRule(ctx, r) }, p.done)
	}
}

func (p *programsPage) removeChosen() {
	if r, ok := p.rule(); ok {
		p.u.work(func(ctx context.Context) error { return p.u.control.RemoveRule(ctx, r.ID) }, p.done)
	}
}

// done shows what a change made, or why it did not.
func (p *programsPage) done(err error) {
	p.u.fail(err)
	p.opened()
}

func (p *programsPage) menu(l ruleLine, at fyne.Position) {
	var items []*fyne.MenuItem
	if l.rule != nil {
		p.chosen = l.rule.ID
		p.list.Refresh()
		p.buttons()
		items = append(items, fyne.NewMenuItem(textChange, p.edit), fyne.NewMenuItem(p.toggle.Text, p.toggleChosen),
			fyne.NewMenuItem(textRemove, p.removeChosen), fyne.NewMenuItemSeparator())
	}
	items = append(items, fyne.NewMenuItem(textAddRule, func() {
		showRuleForm(p.u, Rule{Program: l.program, Until: "always", Enabled: true})
	}))
	widget.ShowPopUpMenuAtPosition(fyne.NewMenu("", items...), p.u.main.window.Canvas(), at)
}
