package ui

import (
	"context"
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// explain asks why a line came about and shows it below what is known of the
// line, as long as the line is the selected one.
func (p *activityPage) explain(l LogLine) {
	fetch(p.u, func(ctx context.Context) (Explanation, error) { return p.u.control.Explain(ctx, l.ID) }, func(x Explanation, err error) {
		switch {
		case p.chosen != l.ID:
		case err != nil:
			p.u.fail(err)
		default:
			p.showDetail(l, &x)
		}
	})
}

// showDetail shows all that is known of a line; x is nil until that is known
// too.
func (p *activityPage) showDetail(l LogLine, x *Explanation) {
	first, second := lineDetail(l)
	lines := container.NewVBox(newText(fit(first, 800, sizeRow, false), sizeRow, theme.ColorNameForeground),
		newText(fit(second, 800, sizeRow, false), sizeRow, colorMuted))
	worrying, facts := lineFacts(l)
	if worrying != "" {
		lines.Add(container.NewBorder(nil, nil, container.NewCenter(newIcon("warning", 14, colorAsk)), nil,
			newText(fit(worrying, 780, sizeRow, false), sizeRow, colorAsk)))
	}
	if facts != "" {
		lines.Add(newText(fit(facts, 800, sizeRow, false), sizeRow, colorMuted))
	}
	if x != nil {
		for _, s := range x.Sentences {
			for _, line := range wrapped(shownWhole(s), 800, sizeRow) {
				lines.Add(newText(line, sizeRow, theme.ColorNameForeground))
			}
		}
		if buttons := p.explainButtons(l, x); len(buttons) > 0 {
			lines.Add(container.NewHBox(append([]fyne.CanvasObject{layout.NewSpacer()}, buttons...)...))
		}
	}
	before := p.detail.MinSize()
	p.detail.Objects = []fyne.CanvasObject{padded(0, 6, 0, 0, newCard(10, lines))}
	if p.detail.Hidden || p.detail.MinSize() != before {
		p.detail.Show()
		p.root.Refresh()
	}
	p.detail.Refresh()
}

// explainButtons change, disable and undo what decided a line.
func (p *activityPage) explainButtons(l LogLine, x *Explanation) (buttons []fyne.CanvasObject) {
	again := func(err error) {
		p.u.fail(err)
		p.explain(l)
	}
	if x.Rule != nil && x.Since != "removed" {
		id := x.Rule.ID
		buttons = append(buttons, widget.NewButton(textChange, func() {
			fetch(p.u, func(ctx context.Context) (Rule, error) { return p.u.ruleNow(ctx, id) }, func(r Rule, err error) {
				if err != nil {
					p.u.fail(err)
					return
				}
				showRuleForm(p.u, r).saved = func() { p.explain(l) }
			})
		}))
		if x.Rule.Enabled && x.Since != "disabled" {
			buttons = append(buttons, widget.NewButton(textDisable, func() {
				p.u.work(func(ctx context.Context) error {
					r, err := p.u.ruleNow(ctx, id)
					if err != nil {
						return err
					}
					r.Enabled = false
					return p.u.control.ChangeRule(ctx, r)
				}, again)
			}))
		}
	}
	if x.Change != nil && x.Change.Undoable {
		id := x.Change.ID
		undo := widget.NewButton(textUndo, func() {
			p.u.work(func(ctx context.Context) error { _, err := p.u.control.Undo(ctx, id); return err }, again)
		})
		if l.Kind != "change" {
			buttons = append(buttons, padded(12, 0, 4, 0, newText(fit(textUndoes(x.Change.What), 330, sizeSmall, false), sizeSmall, colorMuted)))
		}
		buttons = append(buttons, undo)
	}
	return buttons
}

// ruleNow is a rule as it is now.
func (u *UI) ruleNow(ctx context.Context, id string) (Rule, error) {
	rules, err := u.control.Rules(ctx)
	if err != nil {
		return Rule{}, err
	}
	for _, r := range rules {
		if r.ID == id {
			return r, nil
		}
	}
	return Rule{}, fmt.Errorf("rule %s is gone: %w", id, ErrNotFound)
}

const textUndo = "Undo"

// textUndoes says which change an undo takes back.
func textUndoes(what string) string { return "Last change: " + shown(strings.TrimSpace(what)) }
