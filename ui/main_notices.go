package ui

import (
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// showNotices says above the page what a person must know now.
func (m *mainWindow) showNotices(s State) {
	var list []fyne.CanvasObject
	if s.Gone {
		list = append(list, newNotice(bad, textGone+" "+textGoneMore, m.goneButtons()...))
	}
	if m.problem != "" {
		dismiss := widget.NewButtonWithIcon("", iconResource("close", colorMuted), m.closeProblem)
		dismiss.Importance = widget.LowImportance
		list = append(list, newNotice(m.urgency, m.problem, dismiss))
	}
	if s.Known && !s.Gone {
		if m.view != ViewReview && s.Status.FirstRun {
			list = append(list, newNotice(attention, textFirstRun, widget.NewButton(textChoose, func() { m.open(ViewReview) })))
		} else if m.view != ViewReview && s.Status.Proposed > 0 && !collecting(s.Status) {
			list = append(list, newNotice(attention, textProposed(s.Status.Proposed), widget.NewButton(textReviewNow, func() { m.open(ViewReview) })))
		}
		if m.view != ViewLearn && s.Status.Learned > 0 && s.Status.Mode != firewall.ModeLearn {
			list = append(list, newNotice(attention, textLearnedCount(s.Status.Learned), widget.NewButton(textReviewNow, func() { m.open(ViewLearn) })))
		}
		for _, note := range statusNotes(s.Status) {
			list = append(list, newNotice(attention, note))
		}
	}
	if len(list) == 0 && len(m.notices.Objects) == 0 {
		return
	}
	if len(list) > 0 {
		list = append([]fyne.CanvasObject{gap(1)}, append(list, gap(1))...)
	}
	m.notices.Objects = list
	m.notices.Refresh()
	m.window.Content().Refresh()
}

func (m *mainWindow) goneButtons() []fyne.CanvasObject {
	var buttons []fyne.CanvasObject
	if restart := m.u.options.Restart; restart != nil {
		buttons = append(buttons, widget.NewButton(textRestart, func() { m.u.work(restart, nil) }))
	}
	if recover := m.u.options.Recover; recover != nil {
		buttons = append(buttons, widget.NewButton(textRecover, func() {
			confirm(m.window, textRecover, textRecoverQuestion, textRecoverNow, func() { m.u.work(recover, nil) })
		}))
	}
	return buttons
}

// report shows an error until the person closes it.
func (m *mainWindow) report(err error) {
	if errors.Is(err, ErrGone) && m.u.state.Gone {
		return
	}
	m.problem, m.urgency = errorText(err), bad
	if m.window != nil {
		m.refresh()
	}
}

// say tells something that is no error until the person closes it.
func (m *mainWindow) say(s string) {
	m.problem, m.urgency = s, attention
	m.refresh()
}

func (m *mainWindow) closeProblem() {
	m.problem = ""
	m.refresh()
}

// newNotice is a line across the page, with buttons at its end.
func newNotice(t tone, s string, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	back := canvas.NewRectangle(theme.Color(t.back()))
	back.CornerRadius = 8
	icon := container.NewCenter(newIcon("warning", 18, t.text()))
	end := container.NewHBox(buttons...)
	return container.NewStack(back, padded(12, 4, 8, 4,
		container.NewBorder(nil, nil, icon, container.NewCenter(end), container.New(layout.NewCustomPaddedVBoxLayout(0), layout.NewSpacer(), newParagraph(s, t.text()), layout.NewSpacer()))))
}
