package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// Autostart says whether the desktop program starts when the person logs in.
type Autostart interface {
	Enabled() (bool, error)
	Enable() error
	Disable() error
}

const (
	textAutostart     = "Start"
	textAutostartOn   = "When I log in, in the tray"
	textAutostartHelp = "Until the desktop program is started nobody is asked."
	textAutostartAsk  = "Start these windows when I log in, in the tray, so that I can be asked"
)

// autostartBox shows and changes whether the program starts at login.
type autostartBox struct {
	u   *UI
	box *widget.Check
}

func newAutostartBox(u *UI) *autostartBox {
	a := &autostartBox{u, widget.NewCheck(textAutostartOn, nil)}
	a.box.OnChanged = a.choose
	return a
}

func (a *autostartBox) object() fyne.CanvasObject {
	return container.NewVBox(newSettingRow(textAutostart, padded(-6, 0, 0, 0, a.box)),
		padded(settingLabel, 0, 0, 0, newText(textAutostartHelp, sizeSmall, colorMuted)))
}

// read learns what is chosen now; the person may change it elsewhere.
func (a *autostartBox) read() {
	fetch(a.u, func(context.Context) (bool, error) { return a.u.options.Autostart.Enabled() }, func(on bool, err error) {
		a.u.fail(err)
		a.box.Checked = on
		a.box.Refresh()
	})
}

func (a *autostartBox) choose(on bool) {
	change := a.u.options.Autostart.Disable
	if on {
		change = a.u.options.Autostart.Enable
	}
	a.u.work(func(context.Context) error { return change() }, func(err error) {
		a.u.fail(err)
		a.read()
	})
}
