package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
)

// keys reaches every page, the search field and what is done most often from
// the keyboard.
func (m *mainWindow) keys() {
	control := func(key fyne.KeyName, do func()) {
		m.window.Canvas().AddShortcut(&desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierControl}, func(fyne.Shortcut) { do() })
	}
	for key, v := range map[fyne.KeyName]View{fyne.Key1: ViewActivity, fyne.Key2: ViewInbox, fyne.Key3: ViewPrograms, fyne.Key4: ViewReview, fyne.Key5: ViewLearn, fyne.Key6: ViewSettings} {
		control(key, func() {
			if !m.nav[v].Hidden {
				m.open(v)
			}
		})
	}
	control(fyne.KeyF, func() {
		if field := m.page().search(); field != nil {
			m.window.Canvas().Focus(field)
		}
	})
	control(fyne.KeyN, func() {
		m.open(ViewPrograms)
		showRuleForm(m.u, Rule{Until: "always", Enabled: true})
	})
	control(fyne.KeyW, m.hide)
	control(fyne.KeyQ, m.u.quit)
}
