package ui

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
)

// promptWidth is the width of the prompt, in Fyne's units.
const promptWidth = 440

// promptView shows one question. A new question gets a new view; only what
// may change while it is shown is kept here.
type promptView struct {
	content   fyne.CanvasObject
	bar       *canvas.Rectangle
	left      *remaining
	countdown *canvas.Text
	place     *pill
	others    *pill
	facts     *promptFacts
	turn      *fyne.Container
	row       *fyne.Container // turn, more and later
	previous  *promptButton
	next      *promptButton
	scope     *promptSelect
	duration  *promptSelect
	allow     *promptButton
	deny      *promptButton
	more      *promptButton
	later     *promptButton
	shield    *shieldWidget

	scopes, durations []choice
	shape             string // texts whose width decides the layout
}

// newPromptView draws a question; the buttons call act.
func newPromptView(p Prompt, icons *iconFinder, act promptActions) *promptView {
	v := &promptView{scopes: scopeChoices(p), durations: durationChoices(p), shield: newShieldWidget()}
	warning := promptWarning(p)
	v.scope = newPromptSelect(v.scopes, act.typed)
	v.duration = newPromptSelect(v.durations, act.typed)
	v.allow = newPromptButton(textAllow, successButton, func() { act.answer(true) }, act.typed)
	v.deny = newPromptButton(textDeny, dangerButton, func() { act.answer(false) }, act.typed)
	v.more = newPromptButton(textMore, quietButton, act.more, act.typed)
	setVisible(v.more, ruleable(p))
	v.later = newPromptButton(textLater, quietButton, act.later, act.typed)
	v.previous = newPromptButton("‹", quietButton, func() { act.step(-1) }, act.typed)
	v.next = newPromptButton("›", quietButton, func() { act.step(1) }, act.typed)
	v.place = newPill("", plain)
	v.others = newPill("", plain)
	v.facts = newPromptFacts(p, v.others)
	v.turn = container.NewHBox(v.previous, v.next)
	v.row = container.NewHBox(v.turn, v.more, v.later)
	v.countdown = newText("", sizeSmall, colorMuted)
	v.bar = canvas.NewRectangle(theme.Color(theme.ColorNameWarning))
	v.left = &remaining{part: 1}

	parts := []fyne.CanvasObject{promptHead(p, icons, warning != "", v.place), gap(4)}
	if warning != "" {
		parts = append(parts, promptWarningRow(warning), gap(2))
	}
	parts = append(parts, v.facts.warnings, v.facts.card, gap(2),
		container.NewGridWithColumns(2, v.scope, v.duration), gap(2),
		container.NewGridWithColumns(2, v.deny, v.allow),
		container.NewBorder(nil, nil, container.NewCenter(v.countdown), v.row))

	back := canvas.NewRectangle(theme.Color(colorCard))
	back.StrokeColor, back.StrokeWidth = theme.Color(colorBorder), 1
	top := canvas.NewRectangle(theme.Color(theme.ColorNameWarning))
	if warning != "" {
		top.FillColor = theme.Color(theme.ColorNameError)
	}
	track := canvas.NewRectangle(theme.Color(colorBorder))
	v.content = container.NewStack(back,
		container.NewBorder(container.New(sized{0, 3}, top), container.New(sized{0, 3}, container.New(v.left, track, v.bar)), nil, nil,
			padded(16, 12, 16, 6, container.NewVBox(parts...))),
		v.shield)
	return v
}

// promptHead is the program: what it is called, where it is, which process.
func promptHead(p Prompt, icons *iconFinder, worrying bool, place *pill) fyne.CanvasObject {
	const width = promptWidth - 32 - 44 - 16
	const titleWidth = width - 64 // leaves room for "1 of 1000"
	bold := fyne.TextStyle{Bold: true}
	title := newBold(fitMiddle(promptTitle(p), titleWidth, sizeTitle, bold), sizeTitle, theme.ColorNameForeground)
	end := ""
	if p.PID != 0 {
		end = " · pid " + strconv.Itoa(p.PID)
	}
	room := width - fyne.MeasureText(end, sizeSmall, fyne.TextStyle{}).Width
	detail := newText(fitMiddle(programDetail(programFile(p.Program)), room, sizeSmall, fyne.TextStyle{})+end, sizeSmall, colorMuted)

	var face fyne.CanvasObject
	if worrying { // it must not look like the program that it poses as
		back := canvas.NewRectangle(theme.Color(colorBadBack))
		back.CornerRadius = 11
		face = container.New(sized{44, 44}, back, container.NewCenter(newIcon("warning", 24, colorBad)))
	} else {
		t := newTile(44, icons)
		t.set(programName(p.Program, p.Name), p.Program)
		face = t.Container
	}
	return container.NewBorder(nil, nil, face, nil,
		padded(8, 3, 0, 0, container.New(layout.NewCustomPaddedVBoxLayout(2),
			container.NewBorder(nil, nil, nil, place.Container, title), detail)))
}

// promptWarningRow says loudly what is worrying.
func promptWarningRow(warning string) fyne.CanvasObject {
	back := canvas.NewRectangle(theme.Color(colorBadBack))
	back.CornerRadius = 8
	words := newBold(fitMiddle(warning, promptWidth-32-24, sizeRow, fyne.TextStyle{Bold: true}), sizeRow, colorBad)
	return container.NewStack(back, padded(12, 5, 12, 5, words))
}

// update shows what changes while the question stays: its place among the
// others, how many flows joined, and the time left. It tells whether the
// question may need another size now.
func (v *promptView) update(p Prompt, at, of int, now time.Time, note string, busy bool) (reshaped bool) {
	v.place.set(fmt.Sprintf("%d of %d", at+1, of), plain)
	setVisible(v.place.Container, of > 1)
	setVisible(v.turn, of > 1)
	if p.Others > 0 {
		v.others.set("and "+plural(p.Others, "other destination", "other destinations"), attention)
	}
	setVisible(v.others.Container, p.Others > 0)
	if v.facts.set(p) {
		reshaped = true
		v.content.Refresh()
	}
	if scopes := scopeChoices(p); !slices.Equal(scopes, v.scopes) && v.scope.offer(scopes) {
		v.scopes = scopes
	}
	if shape := v.place.word.Text + v.others.word.Text; shape != v.shape {
		v.shape, reshaped = shape, true
		v.content.Refresh()
	}
	words, tone := countdownText(p, now), theme.Color(colorMuted)
	if busy {
		words = textAnswering
	}
	if note != "" {
		words, tone = note, theme.Color(colorBad)
	}
	setText(v.countdown, fitMiddle(words, promptWidth-36-v.row.MinSize().Width, sizeSmall, fyne.TextStyle{}), tone)
	v.deny.setText(denyText(p, now))
	setEnabled(v.allow, !busy)
	setEnabled(v.deny, !busy)
	if part := timeLeft(p, now); part != v.left.part {
		v.left.part = part
		v.left.lay(v.bar)
	}
	return reshaped
}

// prefer selects what was chosen last, where this question offers it.
func (v *promptView) prefer(scope, duration string) {
	v.scope.pick(v.scopes, scope)
	v.duration.pick(v.durations, duration)
}

// answer is what the person chose.
func (v *promptView) answer() (scope, duration string) {
	return v.scopes[max(0, v.scope.SelectedIndex())].word, v.durations[max(0, v.duration.SelectedIndex())].word
}

// remaining lays out a track and, over it, the part of time that is left.
type remaining struct {
	part float32
	size fyne.Size
}

func (r *remaining) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(1, 3) }

func (r *remaining) Layout(o []fyne.CanvasObject, size fyne.Size) {
	r.size = size
	o[0].Resize(size)
	r.lay(o[1])
}

func (r *remaining) lay(bar fyne.CanvasObject) {
	bar.Resize(fyne.NewSize(r.size.Width*r.part, r.size.Height))
}

func setVisible(o fyne.CanvasObject, visible bool) {
	switch {
	case visible && !o.Visible():
		o.Show()
	case !visible && o.Visible():
		o.Hide()
	}
}

func setEnabled(o fyne.Disableable, enabled bool) {
	switch {
	case enabled && o.Disabled():
		o.Enable()
	case !enabled && !o.Disabled():
		o.Disable()
	}
}
