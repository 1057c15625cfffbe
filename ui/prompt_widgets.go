package ui

import (
	"image/color"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// promptActions are what the prompt's buttons do.
type promptActions struct {
	answer func(allow bool)
	step   func(by int)
	more   func()
	later  func()
	typed  func(rune)
}

// The looks of a prompt's button.
const (
	successButton = widget.SuccessImportance
	dangerButton  = widget.DangerImportance
	quietButton   = widget.LowImportance
)

// promptButton is a button that hands typed letters on, so that the keys work
// also while it has the focus.
type promptButton struct {
	widget.Button
	typed func(rune)
}

func newPromptButton(text string, look widget.Importance, tapped func(), typed func(rune)) *promptButton {
	b := &promptButton{typed: typed}
	b.Text, b.Importance, b.OnTapped = text, look, tapped
	b.ExtendBaseWidget(b)
	return b
}

// TypedRune hands a letter on.
func (b *promptButton) TypedRune(r rune) { b.typed(r) }

func (b *promptButton) setText(s string) {
	if b.Text != s {
		b.SetText(s)
	}
}

// promptSelect is a menu that hands typed letters on.
type promptSelect struct {
	widget.Select
	typed func(rune)
}

func newPromptSelect(choices []choice, typed func(rune)) *promptSelect {
	s := &promptSelect{typed: typed}
	for _, c := range choices {
		s.Options = append(s.Options, c.text)
	}
	s.Selected = s.Options[0]
	s.ExtendBaseWidget(s)
	if len(choices) == 1 {
		s.Disable()
	}
	return s
}

// pick selects the choice with a word, if there is one.
func (s *promptSelect) pick(choices []choice, word string) {
	if i := slices.IndexFunc(choices, func(c choice) bool { return c.word == word }); i >= 0 {
		s.Selected = choices[i].text
	}
}

// offer replaces the choices, unless what the person chose is none of them any
// more, and tells whether it did.
func (s *promptSelect) offer(choices []choice) bool {
	texts := make([]string, len(choices))
	for i, c := range choices {
		texts[i] = c.text
	}
	if !slices.Contains(texts, s.Selected) {
		return false
	}
	s.SetOptions(texts)
	return true
}

// TypedRune hands a letter on.
func (s *promptSelect) TypedRune(r rune) { s.typed(r) }

// shieldWidget lies over a question that just appeared and swallows every
// click. A button pressed on the shield and released after it is gone answers
// nothing either.
type shieldWidget struct{ widget.BaseWidget }

func newShieldWidget() *shieldWidget {
	s := &shieldWidget{}
	s.ExtendBaseWidget(s)
	return s
}

func (s *shieldWidget) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(canvas.NewRectangle(color.Transparent))
}

func (s *shieldWidget) Tapped(*fyne.PointEvent)          {}
func (s *shieldWidget) TappedSecondary(*fyne.PointEvent) {}
func (s *shieldWidget) MouseDown(*desktop.MouseEvent)    {}
func (s *shieldWidget) MouseUp(*desktop.MouseEvent)      {}
