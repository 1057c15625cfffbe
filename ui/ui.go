package ui

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"fyne.io/fyne/v2"
)

// View names a page of the main window.
type View string

// The pages of the main window.
const (
	ViewActivity View = "activity"
	ViewInbox    View = "inbox" // the open questions
	ViewPrograms View = "programs"
	ViewReview   View = "review" // the first choice, and the programs seen until then
	ViewLearn    View = "learn"  // what mode learn proposes
	ViewSettings View = "settings"
)

// Options are what the windows need from the program around them.
type Options struct {
	// Restart starts the engine anew, Recover puts networking back as it was
	// without one. nil hides the button.
	Restart func(context.Context) error
	Recover func(context.Context) error
	// Autostart starts the desktop program when the person logs in; nil: the
	// person cannot choose it here.
	Autostart Autostart
	// Translate reads a file to be imported that may be another program's; nil:
	// all files are ours.
	Translate func(name string, text []byte) (Translated, error)
	// Quit ends the desktop program; nil: the Fyne app's Quit.
	Quit func()
	// Do runs a function on Fyne's goroutine, in the order of the calls; nil:
	// fyne.Do. Tests give a queue that they empty themselves.
	Do func(func())
	// Now is the time; nil: time.Now.
	Now func() time.Time
	// Quietly calls a function that shows a window so that the window comes
	// where it was put while hidden, and does not take the focus; nil: it may.
	Quietly func(show func())
}

// Translated is a file to be imported as a policy file.
type Translated struct {
	Document []byte
	From     string   // the program whose file it was; "" for a policy file
	Left     []string // what of it was left out: sentences without a full stop
}

// State is what the windows know of the engine.
type State struct {
	Known   bool // Status has arrived at least once
	Gone    bool // the engine does not answer
	Status  Status
	Prompts []Prompt // those to be asked here
}

// Listener is told about each change of the state, on Fyne's goroutine.
type Listener interface{ Changed(State) }

// UI is all windows of the desktop program.
type UI struct {
	app     fyne.App
	control Control
	options Options

	// Used on Fyne's goroutine only.
	icons     *iconFinder
	state     State
	settings  map[string]string // the engine's, by name; nil: not read yet
	listeners []Listener
	main      *mainWindow
	prompt    *promptWindow
	tray      *tray

	mu      sync.Mutex
	lines   []LogLine // arrived and not yet shown
	flusher bool      // a flush of lines is on its way
}

// logPause is how long new lines of the log are gathered before one redraw.
const logPause = 250 * time.Millisecond

// maxGathered bounds the lines gathered while Fyne's goroutine is busy.
const maxGathered = 10_000

// retryPause is the time between two attempts to reach an engine that is gone.
const retryPause = 500 * time.Millisecond

// New makes the windows; none is shown yet. It is called on Fyne's goroutine
// or before Fyne runs.
func New(a fyne.App, c Control, o Options) *UI {
	u := &UI{app: a, control: c, options: o, icons: newIconFinder()}
	if _, ours := a.Settings().Theme().(*sallyportTheme); !ours || u.appearance() != FollowSystem {
		a.Settings().SetTheme(NewTheme(u.appearance()))
	}
	u.main = newMainWindow(u)
	u.prompt = newPromptWindow(u)
	u.tray = newTray(u)
	u.Listen(u.main)
	u.Listen(u.prompt)
	u.Listen(u.tray)
	return u
}

// Listen tells l the present state and, from then on, each change of it. It is
// called on Fyne's goroutine.
func (u *UI) Listen(l Listener) {
	u.listeners = append(u.listeners, l)
	l.Changed(u.state)
}

// State returns what is known of the engine. It is called on Fyne's goroutine.
func (u *UI) State() State { return u.state }

// ShowMain opens the main window with a page, or brings it to the front.
func (u *UI) ShowMain(v View) { u.main.show(v) }

// Prepare makes the prompt's window, hidden, so that the first question is
// visible as soon as any other. It is called once Fyne runs.
func (u *UI) Prepare() { u.prompt.prepare() }

// ShowActivity opens the activity log.
func (u *UI) ShowActivity() { u.ShowMain(ViewActivity) }

// Run follows the engine until ctx ends, and comes back to it when it was gone.
func (u *UI) Run(ctx context.Context) error {
	retry := time.NewTicker(retryPause)
	defer retry.Stop()
	for {
		err := u.control.Watch(ctx, u.take)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = ErrGone
		}
		u.do(func() { u.lost(err) })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-retry.C:
		}
	}
}

// take gets the events of the engine on a goroutine of its own.
func (u *UI) take(e Event) {
	if len(e.Log) > 0 {
		u.gather(e.Log)
	}
	if e.Prompts != nil || e.Status != nil || e.Rules || e.Lost > 0 {
		u.do(func() { u.changed(e) })
	}
}

// gather keeps new lines for the next flush, and drops the oldest of too many:
// the log itself still has them.
func (u *UI) gather(lines []LogLine) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lines = append(u.lines, lines...)
	if extra := len(u.lines) - maxGathered; extra > 0 {
		u.lines = append([]LogLine(nil), u.lines[extra:]...)
	}
	if !u.flusher {
		u.flusher = true
		time.AfterFunc(logPause, func() { u.do(u.flush) })
	}
}

// flush shows the gathered lines.
func (u *UI) flush() {
	u.mu.Lock()
	lines := u.lines
	u.lines, u.flusher = nil, false
	u.mu.Unlock()
	u.main.logged(lines)
}

// changed takes over what an event says.
func (u *UI) changed(e Event) {
	u.state.Gone = false
	if e.Prompts != nil {
		// Others are asked in another person's session.
		u.state.Prompts = slices.DeleteFunc(slices.Clone(*e.Prompts), func(p Prompt) bool { return !p.Here })
	}
	if e.Status != nil {
		u.state.Known, u.state.Status = true, *e.Status
	}
	if e.Rules {
		u.main.rulesChanged()
	}
	if e.Rules || u.settings == nil {
		u.readSettings()
	}
	if e.Lost > 0 {
		u.main.missed()
	}
	if e.Prompts != nil || e.Status != nil {
		u.tell()
	}
}

// readSettings learns the engine's settings.
func (u *UI) readSettings() {
	if u.settings == nil {
		u.settings = map[string]string{} // asked for once, until something changes
	}
	fetch(u, u.control.Settings, func(all []Setting, err error) {
		if err != nil {
			u.settings = nil
			return
		}
		settings := make(map[string]string, len(all))
		for _, s := range all {
			settings[s.Name] = s.Value
		}
		u.settings = settings
		u.tell()
	})
}

// lost notes that the engine does not answer.
func (u *UI) lost(err error) {
	if u.state.Gone {
		return
	}
	if !errors.Is(err, ErrGone) {
		u.fail(err)
	}
	u.state.Gone, u.state.Prompts, u.settings = true, nil, nil
	u.tell()
}

func (u *UI) tell() {
	for _, l := range u.listeners {
		l.Changed(u.state)
	}
}

// fail shows an error to the person; nil shows nothing.
func (u *UI) fail(err error) {
	if err != nil {
		u.main.report(err)
	}
}

// quit ends the desktop program; the engine goes on.
func (u *UI) quit() {
	if u.options.Quit != nil {
		u.options.Quit()
		return
	}
	u.app.Quit()
}
