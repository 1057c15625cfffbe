package ui

import (
	"context"
	"errors"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"sallyport.dev/sallyport/firewall"
)

// promptTick is how often a visible prompt is brought up to date.
const promptTick = 100 * time.Millisecond

// promptWindow asks the open questions, one at a time, in one window that is
// hidden while there are none. Everything runs on Fyne's goroutine.
type promptWindow struct {
	u       *UI
	now     func() time.Time
	place   *placement
	notices *notices

	window  fyne.Window // nil until the first question
	body    *fyne.Container
	view    *promptView
	queue   promptQueue
	size    fyne.Size   // of the question that is shown
	before  func() bool // called before the window is first mapped, until it says true
	visible bool
	later   map[string]bool // questions that the person put off
	busy    string          // the question whose answer is on its way
	note    string          // what went wrong with the last answer
	stop    chan struct{}   // ends the ticker; nil while hidden
}

func newPromptWindow(u *UI) *promptWindow {
	w := &promptWindow{u: u, now: u.options.Now, later: map[string]bool{}}
	if w.now == nil {
		w.now = time.Now
	}
	return w
}

// Changed takes over the open questions.
func (w *promptWindow) Changed(s State) {
	fresh := false
	open := map[string]bool{}
	for _, p := range s.Prompts {
		open[p.ID] = true
		fresh = fresh || !w.later[p.ID] && w.queue.shown == "" || !w.later[p.ID] && !w.visible
	}
	for id := range w.later {
		if !open[id] {
			delete(w.later, id)
		}
	}
	if !open[w.busy] {
		w.busy = ""
	}
	changed := w.queue.take(s.Prompts, w.now())
	switch {
	case len(s.Prompts) == 0:
		w.hide()
	case !w.visible && fresh:
		w.turnToFresh()
		w.ask()
	case w.visible && changed:
		w.ask()
	case w.visible:
		w.tick()
	}
}

// turnToFresh shows a question that was not put off.
func (w *promptWindow) turnToFresh() {
	for i, p := range w.queue.open {
		if !w.later[p.ID] && p.State != promptUnanswered {
			w.queue.show(i, w.now())
			return
		}
	}
	w.queue.guard(w.now())
}

// ask brings the current question onto the screen.
func (w *promptWindow) ask() {
	p, ok := w.queue.current()
	if !ok {
		w.hide()
		return
	}
	if w.window == nil {
		w.make()
	}
	for _, overlay := range w.window.Canvas().Overlays().List() {
		w.window.Canvas().Overlays().Remove(overlay)
	}
	w.window.Canvas().Unfocus()
	w.note = ""
	w.view = newPromptView(p, w.u.icons, promptActions{answer: w.answer, step: w.step, more: w.more, later: w.putOff, typed: w.typed})
	w.view.prefer(w.u.remembered(p))
	w.body.Objects = []fyne.CanvasObject{w.view.content}
	w.body.Refresh()
	w.tick()
	w.fit()
	if !w.visible {
		w.visible = true
		w.quietly(w.window.Show)
		w.queue.guard(w.now())
		w.stop = make(chan struct{})
		go w.keepTicking(w.stop)
	}
	w.place.put(w.window, w.size)
	if w.u.settings["notifications"] != "off" {
		w.notices.show(p)
	}
}

// fit makes the window as large as its question, and puts it in its place.
func (w *promptWindow) fit() {
	w.size = fyne.NewSize(promptWidth, w.view.content.MinSize().Height)
	w.window.Resize(w.size)
	w.body.Resize(w.size)
	w.place.put(w.window, w.size)
}

// quietly shows a window without giving it the focus.
func (w *promptWindow) quietly(show func()) {
	if w.u.options.Quietly != nil {
		w.u.options.Quietly(show)
		return
	}
	show()
}

func (w *promptWindow) make() {
	if w.place == nil {
		w.place = newPlacement()
	}
	w.before = func() bool { return w.place.put(w.window, w.size) }
	w.notices = newNotices(func() { w.u.do(func() { w.focus() }) })
	w.window = w.place.newWindow(w.u.app, "Sallyport asks")
	w.window.SetPadded(false)
	w.window.SetFixedSize(true)
	w.window.SetCloseIntercept(w.putOff)
	w.body = container.New(&beforeMap{do: func() bool { return w.size.Height > 0 && w.before() }})
	w.window.SetContent(w.body)
	w.window.Canvas().SetOnTypedRune(w.typed)
	w.window.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) {
		switch e.Name {
		case fyne.KeyLeft:
			w.step(-1)
		case fyne.KeyRight:
			w.step(1)
		case fyne.KeyEscape:
			w.putOff()
		}
	})
}

func (w *promptWindow) keepTicking(stop chan struct{}) {
	t := time.NewTicker(promptTick)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			w.u.do(w.tick)
		}
	}
}

// tick brings the countdown and the guard up to date.
func (w *promptWindow) tick() {
	p, ok := w.queue.current()
	if !ok || w.view == nil {
		return
	}
	now := w.now()
	if w.view.update(p, w.queue.index(), len(w.queue.open), now, w.note, w.busy == p.ID) && w.visible {
		w.fit()
	}
	setVisible(w.view.shield, w.queue.guarded(now))
}

func (w *promptWindow) hide() {
	if !w.visible {
		return
	}
	w.visible = false
	close(w.stop)
	w.window.Hide()
	w.notices.close()
}

// focus brings the prompt to the front and gives it the keys; the guard begins
// anew, since the person may be typing somewhere else.
func (w *promptWindow) focus() bool {
	if _, ok := w.queue.current(); !ok {
		return false
	}
	clear(w.later)
	w.queue.guard(w.now())
	if w.visible {
		w.tick()
	} else {
		w.ask()
	}
	w.window.RequestFocus()
	w.place.focus(w.window)
	return true
}

// step turns to another question.
func (w *promptWindow) step(by int) {
	if !w.queue.guarded(w.now()) && w.queue.step(by, w.now()) {
		w.ask()
	}
}

// putOff hides the prompt until there is a new question. Nothing is answered.
func (w *promptWindow) putOff() {
	if w.queue.guarded(w.now()) {
		return
	}
	w.stepAside()
}

// stepAside puts off what is shown, whatever the guard says: the person looks
// at the questions somewhere else.
func (w *promptWindow) stepAside() {
	for _, p := range w.queue.open {
		w.later[p.ID] = true
	}
	w.hide()
}

// more opens the form of a rule that answers the question. The prompt steps
// aside for it, and comes back for what is open then.
func (w *promptWindow) more() {
	p, ok := w.queue.current()
	if !ok || w.busy != "" || w.queue.guarded(w.now()) {
		return
	}
	w.stepAside()
	w.u.main.show(ViewPrograms)
	showRuleForm(w.u, ruleFor(p)).closed = func(saved bool) {
		clear(w.later)
		w.later[p.ID] = saved
		w.Changed(w.u.state)
	}
}

// typed takes a letter.
func (w *promptWindow) typed(r rune) {
	switch r {
	case 'a', 'A':
		w.answer(true)
	case 'd', 'D':
		w.answer(false)
	}
}

// answer decides the question that is shown.
func (w *promptWindow) answer(allow bool) {
	p, ok := w.queue.current()
	if !ok || !w.visible || w.busy != "" || w.queue.guarded(w.now()) {
		return
	}
	a := Answer{ID: p.ID}
	a.Scope, a.For = w.view.answer()
	if allow {
		a.Verdict = firewall.Allow
	}
	w.u.remember(p, a)
	w.busy, w.note = p.ID, ""
	w.tick()
	w.u.work(func(ctx context.Context) error { return w.u.control.Answer(ctx, a) },
		func(err error) { w.answered(p.ID, err) })
}

// answered gets what became of an answer. The question itself goes when the
// engine says so.
func (w *promptWindow) answered(id string, err error) {
	if w.busy == id {
		w.busy = ""
	}
	switch {
	case err == nil || errors.Is(err, ErrNotFound):
	case w.visible && w.queue.shown == id:
		w.note = errorText(err)
	default:
		w.u.fail(err)
	}
	w.tick()
}
