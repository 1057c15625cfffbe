package ui

import (
	"context"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// ruleChoices are which rules the page shows.
var ruleChoices = []string{"All rules", "Unused for 90 days", "Program is gone", "Disabled"}

const (
	showAll = iota
	showUnused
	showGone
	showDisabled
)

// orderChoices are the names of what [RuleOrders] sorts by.
var orderChoices = []string{"By program", "Last used", "Most used", "Newest", "By verdict"}

// ruleChooser chooses which rules are shown, and in which order.
type ruleChooser struct {
	which, order *widget.Select
	clean        *widget.Button
	stale        map[string]StaleRule // by ID; nil: nobody has asked yet
}

func newRuleChooser(p *programsPage) *ruleChooser {
	c := &ruleChooser{}
	c.which = widget.NewSelect(ruleChoices, func(string) { p.rearrange() })
	c.which.Selected = ruleChoices[showAll]
	c.order = widget.NewSelect(orderChoices, func(string) { p.rearrange() })
	c.order.Selected = orderChoices[0]
	c.clean = widget.NewButton(textClean, p.cleanShown)
	c.clean.Importance = widget.DangerImportance
	c.clean.Hide()
	return c
}

func (c *ruleChooser) object() fyne.CanvasObject {
	return container.NewHBox(container.New(sized{170, 0}, c.which), container.New(sized{130, 0}, c.order), c.clean)
}

// shows tells whether a rule is among those that are to be shown.
func (c *ruleChooser) shows(r *Rule) bool {
	s, stale := c.stale[r.ID]
	switch c.which.SelectedIndex() {
	case showUnused:
		return stale && s.Unused
	case showGone:
		return stale && s.Gone != ""
	case showDisabled:
		return !r.Enabled
	}
	return true
}

// showAll shows all rules, once they are arranged.
func (c *ruleChooser) showAll() {
	c.which.Selected = ruleChoices[showAll]
	c.which.Refresh()
}

// by is what rules are sorted by.
func (c *ruleChooser) by() string { return RuleOrders[max(0, c.order.SelectedIndex())] }

// rearrange reads what the choice needs, and shows it.
func (p *programsPage) rearrange() {
	i := p.choice.which.SelectedIndex()
	if i != showUnused && i != showGone {
		p.arrange()
		p.u.main.heading()
		return
	}
	fetch(p.u, func(ctx context.Context) ([]StaleRule, error) { return p.u.control.Stale(ctx, StaleQuery{}) }, func(all []StaleRule, err error) {
		if err != nil {
			p.u.fail(err)
			return
		}
		p.choice.stale = map[string]StaleRule{}
		for _, r := range all {
			p.choice.stale[r.ID] = r
		}
		p.arrange()
		p.u.main.heading()
	})
}

// inOrder puts the programs in the order of their first rules, which it sorts.
func (p *programsPage) inOrder(programs []string, byProgram map[string][]*Rule) {
	by := p.choice.by()
	if by == RuleOrders[0] {
		return
	}
	for _, rules := range byProgram {
		slices.SortStableFunc(rules, func(a, b *Rule) int { return CompareRules(*a, *b, by) })
	}
	slices.SortStableFunc(programs, func(a, b string) int { return CompareRules(*byProgram[a][0], *byProgram[b][0], by) })
}

// shownRules are the rules of the list.
func (p *programsPage) shownRules() (rules []*Rule) {
	for _, l := range p.lines {
		if l.rule != nil {
			rules = append(rules, l.rule)
		}
	}
	return rules
}

// showClean offers to remove all that is shown where nobody may need it.
func (p *programsPage) showClean() {
	i := p.choice.which.SelectedIndex()
	hidden := i != showUnused && i != showGone || len(p.shownRules()) == 0
	if p.choice.clean.Hidden != hidden {
		p.choice.clean.Hidden = hidden
		p.root.Refresh()
	}
}

// cleanShown asks, and removes the rules that are shown in one change.
func (p *programsPage) cleanShown() {
	var ids []string
	list := container.NewVBox()
	for _, r := range p.shownRules() {
		ids = append(ids, r.ID)
		if len(ids) <= maxDifference {
			why := p.choice.stale[r.ID].Why()
			list.Add(newText(fit(programName(r.Program, "")+": "+ruleScopeText(*r)+" · "+why, 404, sizeRow, false), sizeRow, theme.ColorNameForeground))
		}
	}
	if more := len(ids) - maxDifference; more > 0 {
		list.Add(newText("and "+countText(uint64(more))+" more", sizeRow, colorMuted))
	}
	scrolled := container.New(sized{424, min(300, list.MinSize().Height+8)}, container.NewVScroll(list))
	confirmAbout(p.u.main.window, textCleanTitle, scrolled, "Remove "+plural(len(ids), "rule", "rules"), func() {
		p.u.work(func(ctx context.Context) error { return p.u.control.RemoveRule(ctx, ids...) }, p.done)
	})
}

const (
	textClean      = "Remove these…"
	textCleanTitle = "Remove rules that nobody may need"
)
