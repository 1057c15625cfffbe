package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// navItem is a line of the sidebar: it opens a page by tap, Return or Space.
type navItem struct {
	widget.BaseWidget
	icon, label, badge         string
	selected, hovered, focused bool
	open                       func()

	back  *canvas.Rectangle
	image *widget.Icon
	text  *canvas.Text
	count *pill
}

func newNavItem(icon, label string, open func()) *navItem {
	n := &navItem{
		icon: icon, label: label, open: open,
		back:  canvas.NewRectangle(color.Transparent),
		image: widget.NewIcon(iconResource(icon, colorMuted)),
		text:  newText(label, sizeText, colorMuted),
		count: newPill("", attention),
	}
	n.back.CornerRadius = 8
	n.count.Container.Hide()
	n.ExtendBaseWidget(n)
	return n
}

// set says whether the item's page is open, and what its badge shows.
func (n *navItem) set(selected bool, badge string) {
	if n.selected == selected && n.badge == badge {
		return
	}
	n.selected, n.badge = selected, badge
	n.Refresh()
}

func (n *navItem) Tapped(*fyne.PointEvent)        { n.open() }
func (n *navItem) MouseIn(*desktop.MouseEvent)    { n.hovered = true; n.Refresh() }
func (n *navItem) MouseMoved(*desktop.MouseEvent) {}
func (n *navItem) MouseOut()                      { n.hovered = false; n.Refresh() }
func (n *navItem) Cursor() desktop.Cursor         { return desktop.PointerCursor }
func (n *navItem) FocusGained()                   { n.focused = true; n.Refresh() }
func (n *navItem) FocusLost()                     { n.focused = false; n.Refresh() }
func (n *navItem) TypedRune(rune)                 {}
func (n *navItem) TypedKey(e *fyne.KeyEvent) {
	if e.Name == fyne.KeyReturn || e.Name == fyne.KeyEnter || e.Name == fyne.KeySpace {
		n.open()
	}
}

func (n *navItem) Refresh() {
	back, ink, icon := color.Color(color.Transparent), colorMuted, colorMuted
	switch {
	case n.selected:
		back, ink, icon = theme.Color(colorSelected), theme.ColorNameForeground, theme.ColorNamePrimary
	case n.hovered:
		back = theme.Color(theme.ColorNameHover)
	}
	n.back.FillColor = back
	n.back.StrokeWidth = 0
	if n.focused {
		n.back.StrokeColor, n.back.StrokeWidth = theme.Color(theme.ColorNamePrimary), 1
	}
	n.back.Refresh()
	n.text.TextStyle.Bold = n.selected
	n.text.Color = theme.Color(ink)
	n.text.Refresh()
	n.image.SetResource(iconResource(n.icon, icon))
	n.count.set(n.badge, attention)
	n.count.Container.Hidden = n.badge == ""
	n.BaseWidget.Refresh()
}

func (n *navItem) CreateRenderer() fyne.WidgetRenderer {
	icon := container.NewCenter(container.New(sized{18, 18}, n.image))
	row := container.NewHBox(icon, n.text, layout.NewSpacer(), container.NewCenter(n.count.Container))
	return widget.NewSimpleRenderer(container.NewStack(n.back, padded(10, 7, 8, 7, row)))
}
