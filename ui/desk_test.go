package ui_test

import (
	"context"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"sallyport.dev/sallyport/ui"
	"sallyport.dev/sallyport/ui/uitest"
)

// mainDesk is the desktop program in a test: one main window on a made-up engine.
type mainDesk struct {
	t       testing.TB
	app     fyne.App
	loop    *uitest.Loop
	control *uitest.Control
	ui      *ui.UI
	window  fyne.Window
}

func newMainDesk(t testing.TB, c *uitest.Control, v ui.View) *mainDesk {
	return newMainDeskOptions(t, c, v, ui.Options{})
}

func newMainDeskOptions(t testing.TB, c *uitest.Control, v ui.View, o ui.Options) *mainDesk {
	t.Helper()
	d := &mainDesk{t: t, app: test.NewTempApp(t), loop: uitest.NewLoop(), control: c}
	o.Do = d.loop.Do
	d.app.Preferences().SetString("appearance", "dark")
	d.ui = ui.New(d.app, c, o)
	d.ui.ShowMain(v)
	d.window = d.app.Driver().AllWindows()[len(d.app.Driver().AllWindows())-1]
	d.window.Resize(fyne.NewSize(1100, 680))
	t.Cleanup(d.window.Close)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { _ = d.ui.Run(ctx); close(stopped) }()
	t.Cleanup(func() { cancel(); <-stopped })
	d.loop.Until(t, "the state arrives", func() bool { return d.ui.State().Known })
	return d
}

// objects are all that is visible in the window.
func (d *mainDesk) objects() []fyne.CanvasObject {
	var all []fyne.CanvasObject
	roots := append([]fyne.CanvasObject{d.window.Content()}, d.window.Canvas().Overlays().List()...)
	for _, root := range roots {
		all = visible(all, root)
	}
	return all
}

// TestMain has pictures be the same everywhere.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// visible appends an object and all that is visible in it.
func visible(all []fyne.CanvasObject, o fyne.CanvasObject) []fyne.CanvasObject {
	if !o.Visible() {
		return all
	}
	all = append(all, o)
	for _, c := range children(o) {
		all = visible(all, c)
	}
	return all
}

func children(o fyne.CanvasObject) []fyne.CanvasObject {
	switch o := o.(type) {
	case *fyne.Container:
		return o.Objects
	case fyne.Widget:
		return test.WidgetRenderer(o).Objects()
	}
	return nil
}

// position is where an object is in a visible tree. The driver for tests knows
// this only of the window that was made last.
func position(tree, o fyne.CanvasObject) (p fyne.Position, found bool) {
	if !tree.Visible() {
		return p, false
	}
	if tree == o {
		return o.Position(), true
	}
	for _, c := range children(tree) {
		if p, found := position(c, o); found {
			return p.Add(tree.Position()), true
		}
	}
	return p, false
}

// position is where an object is in the window.
func (d *mainDesk) position(o fyne.CanvasObject) fyne.Position {
	d.t.Helper()
	for _, root := range append(d.window.Canvas().Overlays().List(), d.window.Content()) {
		if p, found := position(root, o); found {
			return p
		}
	}
	d.t.Fatal("it is not in the window")
	return fyne.Position{}
}

// texts are all words on screen.
func (d *mainDesk) texts() []string {
	var s []string
	for _, o := range d.objects() {
		if t, ok := o.(*canvas.Text); ok && t.Text != "" {
			s = append(s, t.Text)
		}
	}
	return s
}

func (d *mainDesk) reads(s string) bool {
	for _, text := range d.texts() {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// sees waits until a text is on screen.
func (d *mainDesk) sees(s string) {
	d.t.Helper()
	d.loop.Until(d.t, "see "+s, func() bool { return d.reads(s) })
}

// misses waits until a text is not on screen.
func (d *mainDesk) misses(s string) {
	d.t.Helper()
	d.loop.Until(d.t, "no longer see "+s, func() bool { return !d.reads(s) })
}

// at is the middle of the last object with a text.
func (d *mainDesk) at(s string) fyne.Position {
	d.t.Helper()
	var found fyne.CanvasObject
	for _, o := range d.objects() {
		if t, ok := o.(*canvas.Text); ok && t.Text == s {
			found = o
		}
	}
	if found == nil {
		d.t.Fatalf("%q is not on screen; these are: %q", s, d.texts())
	}
	p := d.position(found)
	return p.AddXY(min(found.MinSize().Width, found.Size().Width)/2, found.Size().Height/2)
}

// tap clicks on a text.
func (d *mainDesk) tap(s string) { d.t.Helper(); test.TapCanvas(d.window.Canvas(), d.at(s)) }

// button finds a button by its label.
func (d *mainDesk) button(label string) *widget.Button {
	d.t.Helper()
	for _, o := range d.objects() {
		if b := ui.ButtonIn(o); b != nil && b.Text == label {
			return b
		}
	}
	d.t.Fatalf("no button %q; on screen are: %q", label, d.texts())
	return nil
}

// menu opens the menu of the row that shows a text.
func (d *mainDesk) menu(s string) {
	d.t.Helper()
	at := d.at(s)
	for _, o := range d.objects() {
		row, ok := o.(fyne.SecondaryTappable)
		if !ok {
			continue
		}
		p := d.position(o)
		if size := o.Size(); at.X >= p.X && at.Y >= p.Y && at.X < p.X+size.Width && at.Y < p.Y+size.Height {
			if _, isEntry := o.(*widget.Entry); !isEntry {
				test.TapSecondaryAt(row, at.Subtract(p))
				return
			}
		}
	}
	d.t.Fatalf("no row shows %q", s)
}

// entry finds a field by its hint.
func (d *mainDesk) entry(hint string) *widget.Entry {
	d.t.Helper()
	for _, o := range d.objects() {
		if e := ui.EntryIn(o); e != nil && e.PlaceHolder == hint {
			return e
		}
	}
	d.t.Fatalf("no field %q", hint)
	return nil
}

// looksLike compares the window with the picture kept of it.
func (d *mainDesk) looksLike(name string) {
	d.t.Helper()
	d.picture(name)
	test.AssertImageMatches(d.t.(*testing.T), "main/"+name+".png", d.window.Canvas().Capture())
}

// picture keeps what the window looks like if SALLYPORT_PICTURES names a folder.
func (d *mainDesk) picture(name string) {
	d.t.Helper()
	folder := os.Getenv("SALLYPORT_PICTURES")
	if folder == "" {
		return
	}
	f, err := os.Create(filepath.Join(folder, name+".png"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, d.window.Canvas().Capture()); err != nil {
		d.t.Fatal(err)
	}
}

// theRule is the only rule of a program.
func (d *mainDesk) theRule(program string) (ui.Rule, bool) {
	rules, _ := d.control.Rules(context.Background())
	for _, r := range rules {
		if r.Program == program {
			return r, true
		}
	}
	return ui.Rule{}, false
}

// settingField is what a test needs of a setting's field.
type settingField struct {
	fyne.Focusable
	SetText func(string)
}

func (d *mainDesk) setting(value string) *settingField {
	d.t.Helper()
	for _, o := range d.objects() {
		e, ok := o.(interface {
			fyne.Focusable
			SetText(string)
			SelectedText() string
		})
		if !ok {
			continue
		}
		for _, inner := range visible(nil, o) {
			if t, ok := inner.(*canvas.Text); ok && t.Text == value {
				return &settingField{e, e.SetText}
			}
		}
	}
	d.t.Fatalf("no field holds %q", value)
	return nil
}
