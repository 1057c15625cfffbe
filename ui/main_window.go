package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/assets"
	"sallyport.dev/sallyport/firewall"
)

// page is a view of the main window.
type page interface {
	title() string
	subtitle() string
	object() fyne.CanvasObject
	// opened is called each time the page comes on screen, changed when the
	// state changed while it is there.
	opened()
	changed(State)
	// search is what the keys for searching focus; nil if there is nothing.
	search() fyne.Focusable
}

// mainWindow has the sidebar and one page beside it. It exists from the start
// and its content from the first time that it is shown.
type mainWindow struct {
	u       *UI
	window  fyne.Window
	view    View
	visible bool
	before  firewall.Mode // the mode to return to when the lock ends
	offered bool          // the first choice was put forward once

	activity *activityPage
	inbox    *inboxPage
	programs *programsPage
	review   *reviewPage
	learn    *learnPage
	settings *settingsPage

	nav         map[View]*navItem
	title, sub  *canvas.Text
	fire, alert *pill
	fail        *pill
	states      *fyne.Container // the pills
	lock        *widget.Button
	notices     *fyne.Container
	body        *fyne.Container
	problem     string // what the person has not closed yet
	urgency     tone   // of the problem
}

func newMainWindow(u *UI) *mainWindow { return &mainWindow{u: u, before: firewall.ModeAsk} }

// show opens the window with a page.
func (m *mainWindow) show(v View) {
	if m.window == nil {
		m.window = m.u.app.NewWindow(textAppName)
		m.window.SetIcon(fyne.NewStaticResource("app.png", assets.AppIcon))
		m.window.SetPadded(false)
		m.window.SetCloseIntercept(m.hide)
		m.u.app.Settings().AddListener(func(fyne.Settings) { m.u.do(m.restyle) })
		m.build()
		m.window.Resize(fyne.NewSize(1100, 680))
		m.keys()
	}
	m.visible = true
	m.open(v)
	m.window.Show()
	m.window.RequestFocus()
}

// hide closes the window; what it shows is read anew when it opens again.
func (m *mainWindow) hide() {
	m.visible = false
	m.window.Hide()
}

// restyle builds everything anew in the colours of a changed theme.
func (m *mainWindow) restyle() {
	m.build()
	m.open(m.view)
}

// build makes the pages and the frame around them.
func (m *mainWindow) build() {
	m.activity, m.inbox, m.programs = newActivityPage(m.u), newInboxPage(m.u), newProgramsPage(m.u)
	m.review, m.learn, m.settings = newReviewPage(m.u), newLearnPage(m.u), newSettingsPage(m.u)
	m.title = newBold("", sizeHeading, theme.ColorNameForeground)
	m.sub = newText("", sizeSmall, colorMuted)
	m.fire, m.alert, m.fail = newPill("", plain), newPill("", plain), newPill("", plain)
	m.notices = container.NewVBox()
	m.body = container.NewStack()

	m.states = container.NewHBox(m.fail.Container, m.fire.Container, m.alert.Container)
	head := container.NewBorder(nil, nil, container.NewVBox(m.title, m.sub), container.NewCenter(m.states))
	page := container.NewBorder(container.NewVBox(head, m.notices, gap(2)), nil, nil, nil, m.body)
	// The sidebar comes first, also for the Tab key.
	sidebar := m.sidebar()
	m.window.SetContent(container.New(layout.NewBorderLayout(nil, nil, sidebar, nil), sidebar, padded(22, 14, 18, 14, page)))
	m.refresh()
}

func (m *mainWindow) sidebar() fyne.CanvasObject {
	m.nav = map[View]*navItem{}
	items := container.NewVBox()
	for _, i := range []struct {
		view        View
		icon, label string
	}{
		{ViewActivity, "activity", textActivity}, {ViewInbox, "inbox", textInbox}, {ViewPrograms, "programs", textPrograms},
		{ViewReview, "review", textReview}, {ViewLearn, "review", textLearned}, {ViewSettings, "settings", textSettings},
	} {
		m.nav[i.view] = newNavItem(i.icon, i.label, func() { m.open(i.view) })
		items.Add(m.nav[i.view])
	}
	m.lock = widget.NewButtonWithIcon("", nil, m.toggleLock)
	brand := container.NewHBox(newIcon("shield", 26, theme.ColorNamePrimary), newBold(textAppName, 16, theme.ColorNameForeground))
	back := canvas.NewRectangle(theme.Color(colorSidebar))
	edge := canvas.NewRectangle(theme.Color(colorBorder))
	content := container.NewBorder(container.NewVBox(padded(6, 6, 0, 14, brand), items), m.lock, nil, nil)
	return container.New(sized{212, 0}, container.NewStack(back,
		container.NewBorder(nil, nil, nil, container.New(sized{1, 0}, edge), padded(12, 12, 12, 12, content))))
}

func (m *mainWindow) page() page {
	switch m.view {
	case ViewInbox:
		return m.inbox
	case ViewPrograms:
		return m.programs
	case ViewReview:
		return m.review
	case ViewLearn:
		return m.learn
	case ViewSettings:
		return m.settings
	}
	return m.activity
}

// open puts a page on screen.
func (m *mainWindow) open(v View) {
	m.view = v
	m.page().opened()
	m.body.Objects = []fyne.CanvasObject{m.page().object()}
	m.body.Refresh()
	m.refresh()
}

// Changed implements [Listener].
func (m *mainWindow) Changed(s State) {
	if s.Known && s.Status.Mode != firewall.ModeLock {
		m.before = s.Status.lasting()
	}
	if m.window == nil {
		return
	}
	if s.Known && s.Status.FirstRun && !m.offered {
		m.offered = true
		m.open(ViewReview)
	}
	m.refresh()
}

// refresh brings everything around the page, and the page, up to date.
func (m *mainWindow) refresh() {
	s := m.u.state
	m.page().changed(s)
	reviewable := s.Known && (s.Status.FirstRun || s.Status.Proposed > 0)
	for v, item := range m.nav {
		badge := ""
		switch {
		case v == ViewInbox && len(s.Prompts) > 0:
			badge = countText(uint64(len(s.Prompts)))
		case v == ViewReview && s.Status.Proposed > 0:
			badge = countText(uint64(s.Status.Proposed))
		}
		shown := reviewable
		if v == ViewLearn {
			shown = s.Known && (s.Status.Learned > 0 || s.Status.Mode == firewall.ModeLearn || m.view == v)
			if s.Status.Learned > 0 {
				badge = countText(uint64(s.Status.Learned))
			}
		}
		item.set(v == m.view, badge)
		if (v == ViewReview || v == ViewLearn) && item.Hidden == shown {
			item.Hidden = !shown
			m.window.Content().Refresh()
		}
	}
	m.heading()
	m.pills(s)
	m.lockButton(s)
	m.showNotices(s)
}

func (m *mainWindow) heading() {
	setText(m.title, m.page().title(), theme.Color(theme.ColorNameForeground))
	setText(m.sub, m.page().subtitle(), theme.Color(colorMuted))
}

func (m *mainWindow) pills(s State) {
	known := s.Known && !s.Gone
	for _, p := range []*pill{m.fire, m.alert} {
		p.Container.Hidden = !known
	}
	m.fail.Container.Hidden = !known || s.Status.Fail != "open"
	if known {
		word, t := firewallPill(s.Status)
		m.fire.set(word, t)
		word, t = alertsPill(s.Status)
		m.alert.set(word, t)
		m.fail.set(textFailsOpen, attention)
	}
	if size := m.states.MinSize(); size != m.states.Size() {
		m.window.Content().Refresh()
	}
}

func (m *mainWindow) lockButton(s State) {
	label, icon, importance := textLock, "lock", widget.DangerImportance
	if s.Status.Mode == firewall.ModeLock {
		label, icon, importance = textUnlock, "unlock", widget.HighImportance
	}
	if m.lock.Text != label {
		m.lock.Text, m.lock.Importance = label, importance
		m.lock.Icon = iconResource(icon, theme.ColorNameForegroundOnError)
		m.lock.Refresh()
	}
	if known := s.Known && !s.Gone; known == m.lock.Disabled() {
		if known {
			m.lock.Enable()
		} else {
			m.lock.Disable()
		}
	}
}

func (m *mainWindow) toggleLock() {
	mode := firewall.ModeLock
	if m.u.state.Status.Mode == firewall.ModeLock {
		mode = m.before
	}
	m.u.work(func(ctx context.Context) error { return m.u.control.SetMode(ctx, mode) }, nil)
}

// logged gets new lines of the log.
func (m *mainWindow) logged(lines []LogLine) {
	if m.window == nil {
		return
	}
	if !m.visible || m.view != ViewActivity {
		m.activity.stale = true
		return
	}
	m.activity.logged(lines)
	m.heading()
}

// missed notes that lines came which were not sent here.
func (m *mainWindow) missed() {
	if m.window != nil {
		m.activity.stale = true
		m.logged(nil)
	}
}

// rulesChanged reads again what is on screen.
func (m *mainWindow) rulesChanged() {
	if m.window != nil && m.view != ViewActivity {
		m.page().opened()
	}
}

// showRule opens the page of programs with a rule selected.
func (m *mainWindow) showRule(id string) {
	m.programs.reveal(id)
	m.open(ViewPrograms)
}
