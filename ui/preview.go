package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// maxPreview bounds the effects that are listed.
const maxPreview = 100

// preview shows what a change would have changed, and tells the newest one of
// several that were asked for.
type preview struct {
	u     *UI
	box   *fyne.Container
	width float32
	asked int // counts; what came too late is not shown
	drawn func()
}

func newPreview(u *UI, width float32, drawn func()) *preview {
	return &preview{u: u, box: container.NewVBox(), width: width, drawn: drawn}
}

// ask has the engine look at its log.
func (p *preview) ask(proposal Proposal) {
	p.asked++
	now := p.asked
	p.show([]string{textLooking}, false)
	fetch(p.u, func(ctx context.Context) (Forecast, error) { return p.u.control.WhatIf(ctx, proposal) }, func(f Forecast, err error) {
		switch {
		case now != p.asked:
		case err != nil:
			p.show([]string{errorText(err)}, true)
		default:
			p.show(f.Sentences(), false)
		}
	})
}

// clear takes away what is shown, and what is still to come.
func (p *preview) clear() {
	p.asked++
	p.box.Objects = nil
	p.box.Refresh()
	p.drawn()
}

func (p *preview) show(lines []string, wrong bool) {
	list := container.NewVBox()
	for i, s := range lines[:min(len(lines), maxPreview)] {
		c := theme.ColorNameForeground
		switch {
		case wrong:
			c = colorBad
		case i == 0:
			c = colorMuted
		}
		for _, line := range wrapped(s, p.width-16, sizeRow) {
			list.Add(newText(line, sizeRow, c))
		}
	}
	if more := len(lines) - maxPreview; more > 0 {
		list.Add(newText("and "+countText(uint64(more))+" more", sizeRow, colorMuted))
	}
	scrolled := container.New(sized{p.width, min(120, list.MinSize().Height+4)}, container.NewVScroll(list))
	p.box.Objects = []fyne.CanvasObject{scrolled}
	p.box.Refresh()
	p.drawn()
}

// wrapped breaks a text into lines that fit a width; a word that is too long is
// cut.
func wrapped(s string, width, size float32) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		longer := line + " " + word
		if line == "" {
			longer = word
		} else if fyne.MeasureText(longer, size, fyne.TextStyle{}).Width > width {
			lines = append(lines, fit(line, width, size, false))
			longer = "    " + word
		}
		line = longer
	}
	return append(lines, fit(line, width, size, false))
}

// previewMode shows what each mode would have changed, and lets one be chosen.
func (p *settingsPage) previewMode() {
	var names []string
	for _, m := range modeTexts {
		names = append(names, m.name)
	}
	var popup *widget.PopUp
	keys := dialogKeys{escape: func() { popup.Hide() }}
	seen := newPreview(p.u, 560, func() {
		if popup != nil {
			popup.Resize(fyne.NewSize(600, popup.MinSize().Height))
		}
	})
	choice := keys.choice(names)
	use := keys.button(textUseMode, func() {
		popup.Hide()
		p.chooseMode(choice.Selected)
	})
	use.Importance = widget.HighImportance
	use.Disable()
	choice.OnChanged = func(string) {
		m := modeTexts[choice.SelectedIndex()].mode
		if p.u.state.Known && m != p.u.state.Status.Mode {
			use.Enable()
		} else {
			use.Disable()
		}
		seen.ask(Proposal{Mode: &m})
	}
	cancel := keys.button(textCancel, keys.escape)
	content := container.NewVBox(newFormRow(textMode, choice), seen.box)
	popup = newDialog(p.u.main.window, 600, textPreviewMode, container.New(sized{564, 0}, content), cancel, use)
	p.u.main.window.Canvas().Focus(choice)
}

// previewRule shows below the form what the rule in it would have changed.
func (f *ruleForm) previewRule() {
	r, ok := f.parse()
	if !ok {
		f.seen.clear()
		return
	}
	f.seen.ask(Proposal{Put: []Rule{r}})
}

const (
	textPreview     = "What would it change?"
	textPreviewMode = "What another mode would have changed"
	textUseMode     = "Use this mode"
	textLooking     = "Looking at the last 7 days…"
)
