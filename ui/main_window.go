package ui

import "fyne.io/fyne/v2"

// mainWindow has the sidebar and one page beside it.
type mainWindow struct {
	u      *UI
	window fyne.Window
	view   View
}

func newMainWindow(u *UI) *mainWindow { return &mainWindow{u: u} }

// Changed implements [Listener].
func (m *mainWindow) Changed(State) {}

func (m *mainWindow) show(v View) {
	m.view = v
	if m.window == nil {
		m.window = m.u.app.NewWindow("Sallyport")
	}
	m.window.Show()
}

func (m *mainWindow) logged([]LogLine) {}
func (m *mainWindow) rulesChanged()    {}
func (m *mainWindow) fail(error)       {}
