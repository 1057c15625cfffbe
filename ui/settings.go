package ui

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/firewall"
)

// appearanceKey is where the desktop program keeps whether it is light or dark.
const appearanceKey = "appearance"

// settingsPage shows the mode, the engine's settings and what is known of it.
type settingsPage struct {
	u      *UI
	root   fyne.CanvasObject
	column *fyne.Container // the cards, one below the other
	fields *fyne.Container // the engine's settings
	mode   *widget.Select
	lasts  *widget.Select // how long a mode lasts that is chosen
	help   *canvas.Text
	facts  *fyne.Container
	shown  []Setting
	start  *autostartBox // nil where it cannot be chosen
}

func newSettingsPage(u *UI) *settingsPage {
	p := &settingsPage{u: u, fields: container.NewVBox(), facts: container.NewVBox(), help: newText("", sizeSmall, colorMuted)}
	var names []string
	for _, m := range modeTexts {
		names = append(names, m.name)
	}
	p.mode = widget.NewSelect(names, p.chooseMode)
	var times []string
	for _, t := range modeTimes {
		times = append(times, t.name)
	}
	p.lasts = widget.NewSelect(times, func(string) { p.chooseTime() })
	p.lasts.Selected = modeTimes[0].name
	look := widget.NewSelect([]string{"As the system", "Light", "Dark"}, nil)
	look.SetSelectedIndex(max(0, slices.Index([]Appearance{FollowSystem, Light, Dark}, u.appearance())))
	look.OnChanged = func(string) { u.setAppearance([]Appearance{FollowSystem, Light, Dark}[look.SelectedIndex()]) }
	own := container.NewVBox(
		container.NewVBox(newSettingRow(textMode, container.NewBorder(nil, nil, nil, widget.NewButton(textPreview, p.previewMode), container.NewGridWithColumns(2, p.mode, p.lasts))), padded(settingLabel, 0, 0, 0, p.help)), gap(4),
		container.NewVBox(newSettingRow(textAppearance, look), padded(settingLabel, 0, 0, 0, newText(textLook, sizeSmall, colorMuted))), gap(4),
		container.NewVBox(newSettingRow(textDesktop, container.NewHBox(widget.NewButton(textQuit, u.quit))), padded(settingLabel, 0, 0, 0, newText(textQuitHelp, sizeSmall, colorMuted))))
	if u.options.Autostart != nil {
		p.start = newAutostartBox(u)
		own.Add(gap(4))
		own.Add(p.start.object())
	}
	p.column = container.NewVBox(newCard(14, own), gap(2), newCard(14, p.fields), gap(2), newCard(14, p.facts))
	p.root = container.NewVScroll(p.column)
	return p
}

const settingLabel = 200

func newSettingRow(label string, o fyne.CanvasObject) fyne.CanvasObject {
	name := newText(label, sizeText, theme.ColorNameForeground)
	return container.NewBorder(nil, nil, container.New(sized{settingLabel - 4, 0}, name), nil, o)
}

func (p *settingsPage) title() string             { return textSettings }
func (p *settingsPage) object() fyne.CanvasObject { return p.root }
func (p *settingsPage) search() fyne.Focusable    { return nil }
func (p *settingsPage) subtitle() string {
	return "Sallyport " + p.u.state.Status.Version
}

func (p *settingsPage) opened() {
	if p.start != nil {
		p.start.read()
	}
	fetch(p.u, p.u.control.Settings, func(settings []Setting, err error) {
		if err != nil {
			p.u.fail(err)
			return
		}
		if slices.EqualFunc(settings, p.shown, func(a, b Setting) bool { return a.Name == b.Name && a.Value == b.Value }) {
			return
		}
		p.shown = settings
		p.fields.Objects = nil
		for _, s := range settings {
			p.fields.Add(p.newField(s))
		}
		p.column.Refresh()
	})
}

// newField edits one setting: a choice where the values are few, else a text
// that is stored by Return or when the field is left.
func (p *settingsPage) newField(s Setting) fyne.CanvasObject {
	title := settingTitles[s.Name]
	if title == "" {
		title = shown(s.Name)
	}
	message := newText("", sizeSmall, colorBad)
	message.Hide()
	store := func(value string) {
		if value == s.Value {
			return
		}
		p.u.work(func(ctx context.Context) error { return p.u.control.SetSetting(ctx, s.Name, value) }, func(err error) {
			message.Hidden = err == nil
			if err == nil {
				s.Value = value
			} else {
				message.Text = fit(errorText(err), 600, sizeSmall, false)
			}
			p.column.Refresh()
			if err == nil {
				p.opened()
			}
		})
	}
	var input fyne.CanvasObject
	if len(s.Choices) > 0 {
		input = newChoice(s, store)
	} else {
		entry := newSettingEntry(store)
		entry.SetText(s.Value)
		input = entry
	}
	help := s.Help
	if s.Default != "" && s.Default != s.Value {
		help += " (default " + s.Default + ")"
	}
	note := newText(fit(shown(sentence(help)), 600, sizeSmall, false), sizeSmall, colorMuted)
	return container.NewVBox(newSettingRow(title, input), padded(settingLabel, 0, 0, 2, container.NewVBox(note, message)))
}

func newChoice(s Setting, store func(string)) *widget.Select {
	var names []string
	for _, c := range s.Choices {
		name := choiceTexts[s.Name][c]
		if name == "" {
			name = shown(c)
		}
		names = append(names, name)
	}
	choice := widget.NewSelect(names, nil)
	if i := slices.Index(s.Choices, s.Value); i >= 0 {
		choice.SetSelectedIndex(i)
	}
	choice.OnChanged = func(string) { store(s.Choices[choice.SelectedIndex()]) }
	return choice
}

// settingEntry stores its text by Return and when it loses focus.
type settingEntry struct {
	widget.Entry
	store func(string)
}

func newSettingEntry(store func(string)) *settingEntry {
	e := &settingEntry{store: store}
	e.OnSubmitted = store
	e.ExtendBaseWidget(e)
	return e
}

// FocusLost implements [fyne.Focusable].
func (e *settingEntry) FocusLost() {
	e.Entry.FocusLost()
	e.store(e.Text)
}

func (p *settingsPage) chooseMode(name string) {
	for _, m := range modeTexts {
		if m.name == name && p.u.state.Known && m.mode != p.u.state.Status.Mode {
			p.setMode(m.mode)
		}
	}
}

// chooseTime gives the present mode another end, if it may have one.
func (p *settingsPage) chooseTime() {
	if m := p.u.state.Status.Mode; p.u.state.Known && lasts(m) {
		p.setMode(m)
	}
}

func (p *settingsPage) setMode(m firewall.Mode) {
	d := time.Duration(0)
	if i := p.lasts.SelectedIndex(); i > 0 && lasts(m) {
		d = time.Duration(modeTimes[i].minutes) * time.Minute
	}
	p.u.work(func(ctx context.Context) error {
		if d > 0 {
			return p.u.control.SetModeFor(ctx, m, d)
		}
		return p.u.control.SetMode(ctx, m)
	}, func(err error) {
		p.u.fail(err)
		p.changed(p.u.state)
	})
}

func (p *settingsPage) changed(s State) {
	if !s.Known {
		return
	}
	for _, m := range modeTexts {
		if m.mode == s.Status.Mode {
			p.mode.SetSelected(m.name)
			help := m.help
			if end := modeEndText(s.Status); end != "" {
				help = sentence(end) + ". " + help
			}
			setText(p.help, help, theme.Color(colorMuted))
		}
	}
	p.facts.Objects = []fyne.CanvasObject{newBold(textEngine, sizeText, theme.ColorNameForeground)}
	for _, f := range engineFacts(s) {
		p.facts.Add(newSettingRow(f[0], newText(fit(f[1], 600, sizeText, false), sizeText, colorMuted)))
	}
	p.column.Refresh()
}

func engineFacts(s State) [][2]string {
	st := s.Status
	enforcing := "Yes"
	if !st.Enforcing {
		enforcing = "No: nothing is enforced"
	}
	if s.Gone {
		enforcing = textGone
	}
	scope := "The whole computer"
	if st.Cgroup != "" {
		scope = "The control group " + shown(st.Cgroup)
	}
	fail := sentence(textFailsClosedMeans) + " (fail closed)"
	if st.Fail == "open" {
		fail = sentence(textFailsOpenMeans) + " (fail open)"
	}
	facts := [][2]string{
		{"Enforcing", enforcing}, {"Filters", scope}, {"Backend", shown(st.Backend)}, {"Running since", momentText(st.Started)},
		{"Without the engine", fail},
		{"Lost log events", countText(st.DroppedEvents)},
	}
	if runtime.GOOS == "linux" {
		facts = append(facts, [2]string{"Other namespaces", plural(int(st.OtherNamespaces), "socket", "sockets") + " passed unjudged"})
	}
	if len(st.Notes) > 0 {
		facts = append(facts, [2]string{"Notes", shown(strings.Join(st.Notes, " · "))})
	}
	return facts
}

// appearance is what the person chose for the windows.
func (u *UI) appearance() Appearance { return Appearance(u.app.Preferences().String(appearanceKey)) }

func (u *UI) setAppearance(a Appearance) {
	u.app.Preferences().SetString(appearanceKey, string(a))
	u.app.Settings().SetTheme(NewTheme(a))
}
