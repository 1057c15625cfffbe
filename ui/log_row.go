package ui

import (
	"image/color"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// The columns of the activity log.
const (
	columnTime = iota
	columnProgram
	columnProtocol
	columnRemote
	columnDirection
	columnReason
	columnVerdict
	columnCount
)

// rowHeight is a multiple of 4, so that the place of the millionth row is exact.
const rowHeight = 32

// columnLeast is what program and remote get together at least, rowLeast a row.
const columnLeast, rowLeast = 230, 620

// logColumns shares a row's width out: where each column starts, and its width.
func logColumns(width float32) (x, w [columnCount]float32) {
	w = [columnCount]float32{columnTime: 118, columnProtocol: 62, columnDirection: 48, columnReason: 128, columnVerdict: 84}
	rest := width - 24
	for _, k := range w {
		rest -= k
	}
	// In a narrow window the reason makes room.
	if missing := columnLeast - rest; missing > 0 {
		w[columnReason] = max(0, w[columnReason]-missing)
		rest = columnLeast
	}
	w[columnProgram] = max(110, rest*0.42)
	w[columnRemote] = rest - w[columnProgram]
	at := float32(12)
	for i := range w {
		x[i] = at
		at += w[i]
	}
	return x, w
}

// logRow shows one line of the log.
type logRow struct {
	widget.BaseWidget
	menu func(LogLine, fyne.Position)
	tap  func()

	line     LogLine
	blank    bool
	selected bool
	odd      bool

	back, badge *canvas.Rectangle
	verdict     *canvas.Text
	tile        *tile
	texts       [columnVerdict]*canvas.Text
	objects     []fyne.CanvasObject
	widths      [columnCount]float32
	width       float32
}

func newLogRow(icons *iconFinder, menu func(LogLine, fyne.Position)) *logRow {
	r := &logRow{
		menu: menu, blank: true,
		back: canvas.NewRectangle(color.Transparent), badge: canvas.NewRectangle(color.Transparent),
		verdict: newBold("", sizeSmall, theme.ColorNameForeground), tile: newTile(18, icons),
	}
	r.badge.CornerRadius = 10
	r.verdict.Alignment = fyne.TextAlignCenter
	r.objects = []fyne.CanvasObject{r.back, r.tile.Container, r.badge, r.verdict}
	for i := range r.texts {
		r.texts[i] = newText("", sizeRow, theme.ColorNameForeground)
		r.texts[i].TextStyle.Bold = i == columnProgram
		r.objects = append(r.objects, r.texts[i])
	}
	r.ExtendBaseWidget(r)
	return r
}

// Tapped selects the row.
func (r *logRow) Tapped(*fyne.PointEvent) {
	if r.tap != nil {
		r.tap()
	}
}

// TappedSecondary opens the line's menu.
func (r *logRow) TappedSecondary(e *fyne.PointEvent) {
	if !r.blank {
		r.menu(r.line, e.AbsolutePosition)
	}
}

// set shows a line; nothing is drawn again that stays the same.
func (r *logRow) set(l LogLine, odd, selected bool) {
	if !r.blank && r.line.ID == l.ID && r.line.Time.Equal(l.Time) && r.odd == odd && r.selected == selected {
		return
	}
	r.line, r.odd, r.selected, r.blank = l, odd, selected, false
	r.draw()
}

// clear shows a line that is still being read.
func (r *logRow) clear(odd bool) {
	r.line, r.odd, r.selected, r.blank = LogLine{}, odd, false, true
	r.draw()
}

func (r *logRow) draw() {
	back := color.Color(color.Transparent)
	switch {
	case r.selected:
		back = theme.Color(theme.ColorNameSelection)
	case r.line.Kind == "change":
		back = theme.Color(colorChangeRow)
	case r.odd:
		back = theme.Color(colorRowAlt)
	}
	setFill(r.back, back)
	ink, muted := theme.Color(theme.ColorNameForeground), theme.Color(colorMuted)
	var s [columnVerdict]string
	change := r.line.Kind == "change"
	if !r.blank {
		s[columnTime] = rowTime(r.line.Time)
		s[columnProgram] = programName(r.line.Program, r.line.Name)
		if change {
			s[columnProtocol] = shown(r.line.Note)
		} else {
			s[columnProtocol] = protocolName(r.line.Protocol)
			s[columnRemote] = destination(r.line.Host, r.line.Remote, r.line.Port)
			s[columnDirection] = directionName(r.line.Direction)
			s[columnReason] = reasonText(r.line.Reason)
			if r.line.Count > 1 {
				s[columnReason] += " ×" + strconv.Itoa(r.line.Count)
			}
		}
	}
	for i, t := range r.texts {
		c, width := muted, r.widths[i]-8
		if i == columnProgram || i == columnRemote || change && i == columnProtocol {
			c = ink
		}
		if i == columnProgram {
			width -= 26
		}
		if change && i == columnProtocol {
			for k := columnRemote; k < columnVerdict; k++ {
				width += r.widths[k]
			}
		}
		setText(t, fit(s[i], width, sizeRow, i == columnProgram), c)
	}
	word, t := verdictText(r.line.Verdict)
	fill := theme.Color(t.back())
	if change {
		fill = theme.Color(colorBorder)
	}
	if r.blank {
		word, fill = "", color.Transparent
	}
	setFill(r.badge, fill)
	setText(r.verdict, word, theme.Color(t.text()))
	if r.tile.Container.Hidden != r.blank {
		r.tile.Container.Hidden = r.blank
		r.tile.Container.Refresh()
	}
	if !r.blank {
		r.tile.set(s[columnProgram], r.line.Program)
	}
}

// rowTime shows the time, and the day unless it is today.
func rowTime(t time.Time) string {
	t = t.Local()
	if y, m, d := t.Date(); !sameDay(y, m, d) {
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("15:04:05.000")
}

func sameDay(year int, month time.Month, day int) bool {
	y, m, d := time.Now().Date()
	return y == year && m == month && d == day
}

func (r *logRow) CreateRenderer() fyne.WidgetRenderer { return &logRowRenderer{r} }

type logRowRenderer struct{ r *logRow }

func (x *logRowRenderer) Layout(size fyne.Size) {
	r := x.r
	r.back.Resize(size)
	at, widths := logColumns(size.Width)
	for i, t := range r.texts {
		shift := float32(0)
		if i == columnProgram {
			shift = 26
		}
		t.Move(fyne.NewPos(at[i]+shift, 0))
		t.Resize(fyne.NewSize(widths[i]-shift, size.Height))
	}
	r.tile.Container.Move(fyne.NewPos(at[columnProgram], (size.Height-18)/2))
	r.tile.Container.Resize(fyne.NewSize(18, 18))
	r.badge.Move(fyne.NewPos(at[columnVerdict], (size.Height-20)/2))
	r.badge.Resize(fyne.NewSize(70, 20))
	r.verdict.Move(r.badge.Position())
	r.verdict.Resize(r.badge.Size())
	if r.width != size.Width {
		r.width, r.widths = size.Width, widths
		r.draw()
	}
}

func (x *logRowRenderer) MinSize() fyne.Size           { return fyne.NewSize(rowLeast, rowHeight) }
func (x *logRowRenderer) Refresh()                     {}
func (x *logRowRenderer) Objects() []fyne.CanvasObject { return x.r.objects }
func (x *logRowRenderer) Destroy()                     {}
