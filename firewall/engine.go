package firewall

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Options are an engine's settings and limits. Zero values take the defaults.
type Options struct {
	Patience     time.Duration // how long a flow waits for an answer; 30 s
	MaxPrompts   int           // open questions; 1000
	MaxWaiting   int           // held packets of all questions together, beside the first of each; 3072
	MaxPerPrompt int           // held packets of one question; 256
	Watcher      Watcher       // nil watches nothing
	// Uptime says how long the computer has run, sleep included; nil: rules end
	// by the clock on the wall alone.
	Uptime func() time.Duration
}

// Watcher is told what the engine does. It is called on the engine's
// goroutine and must return at once.
type Watcher interface {
	// Prompts gets all open prompts, oldest first, after they changed. Changes
	// that follow closely on each other may come as one.
	Prompts(ps []Prompt)
	// Decided gets every entry of the activity log.
	Decided(e Entry)
}

// Errors of [Engine.Answer].
var (
	ErrNoPrompt     = errors.New("no such question: it was answered or has ended")
	ErrUnidentified = errors.New("an unidentified program can only be answered once")
	ErrInline       = errors.New("inline code can only be answered once or until it exits")
	ErrNoStarter    = errors.New("it is not known what started the program")
	ErrNoAnswer     = errors.New("an answer allows or blocks")
	ErrStopped      = errors.New("the engine has stopped")
)

// Engine decides flows, holds undecided ones and asks about them. It is a
// [Sink]. Every method may be called from any goroutine; all but Judge wait
// for Run.
type Engine struct {
	inbox   chan func()   // what Run is to do next
	stopped chan struct{} // closed when Run has ended
	law     atomic.Pointer[law]
	lost    atomic.Uint64

	uptime   func() time.Duration
	patience time.Duration // Run's; see SetPatience
	room     *waitingRoom  // Run's
	watcher  Watcher       // Run's
}

// law is what decides without asking. It is immutable: Run replaces it.
type law struct {
	rules   Ruleset
	mode    Mode
	uptime  func() time.Duration // nil if it decides nothing
	stopped bool
}

// NewEngine makes an engine; nothing happens before Run.
func NewEngine(rs Ruleset, m Mode, o Options) *Engine {
	e := &Engine{
		inbox:    make(chan func()),
		stopped:  make(chan struct{}),
		patience: cmp.Or(o.Patience, 30*time.Second),
		watcher:  o.Watcher,
	}
	if e.watcher == nil {
		e.watcher = nobody{}
	}
	e.uptime = o.Uptime
	e.law.Store(e.newLaw(rs, m))
	e.room = newWaitingRoom(e, cmp.Or(o.MaxPrompts, 1000), cmp.Or(o.MaxWaiting, 3072), cmp.Or(o.MaxPerPrompt, 256))
	return e
}

// showPause is the least time between two showings of changed prompts, so that
// a burst of a thousand questions is not copied a thousand times. It is short
// beside the 300 ms in which a prompt is to be visible.
const showPause = 5 * time.Millisecond

// Run owns the engine's state until ctx ends, then blocks what still waits.
// It can run once only.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)
	var shown, wake time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		next := e.room.nextDeadline()
		if e.room.changed {
			if pause := shown.Add(showPause); !now.Before(pause) {
				e.show()
				shown = now
			} else if pause.Before(next) {
				next = pause
			}
		}
		if !next.Equal(wake) {
			wake = next
			timer.Reset(wake.Sub(now))
		}
		select {
		case act := <-e.inbox:
			act()
		case <-timer.C:
			wake = time.Time{}
			e.room.expire(time.Now())
		case <-ctx.Done():
		}
	}
	e.law.Store(&law{stopped: true})
	e.room.close(Decision{Reason: Stopping})
	e.show()
	return nil
}

// show tells the watcher about the prompts if they changed.
func (e *Engine) show() {
	if e.room.changed {
		e.room.changed = false
		e.watcher.Prompts(e.room.prompts())
	}
}

// do has Run call f, waits until that is done, and tells whether it was; it
// was not if the engine has stopped.
func (e *Engine) do(f func()) bool {
	done := make(chan struct{})
	if !e.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// post has Run call f soon, and tells whether it will.
func (e *Engine) post(f func()) bool {
	select {
	case e.inbox <- f:
		return true
	case <-e.stopped:
		return false
	}
}

// SetRules replaces the rules and judges everything that waits again. The
// caller then calls [Backend.Apply]. When SetRules has returned, no flow is
// released by the rules of before.
func (e *Engine) SetRules(rs Ruleset) {
	e.do(func() {
		e.law.Store(e.newLaw(rs, e.law.Load().mode))
		e.room.judgeAgain()
	})
}

// SetMode changes the mode and judges everything that waits again. The caller
// then calls [Backend.Apply].
func (e *Engine) SetMode(m Mode) {
	e.do(func() {
		e.law.Store(e.newLaw(e.law.Load().rules, m))
		e.room.judgeAgain()
	})
}

// SetPatience changes the patience of questions asked from now on. Zero is
// the default.
func (e *Engine) SetPatience(d time.Duration) {
	e.do(func() { e.patience = cmp.Or(d, 30*time.Second) })
}

// Prompts returns the open prompts, oldest first.
func (e *Engine) Prompts() (ps []Prompt) {
	e.do(func() { ps = e.room.prompts() })
	return ps
}

// Answer closes a prompt: it releases every flow that the answer covers and
// asks again about those that it does not cover. An answer without a rule to
// a prompt of which nothing waits any more holds for the next flow it covers.
// An answer with a rule is nothing new if the rule itself, being in force,
// closed the prompt before.
func (e *Engine) Answer(a Answer) error {
	err := ErrStopped
	e.do(func() { err = e.room.answer(a) })
	return err
}

// Known says that the program old turned out to be now: what waits is judged
// again as such, and asked about as such if that decides nothing. See [Sink].
func (e *Engine) Known(old, now Program) {
	e.do(func() { e.room.known(old, now) })
}

// Started says what started a process, see [Attempt.StartedBy]: what waits of it
// is judged again as such.
func (e *Engine) Started(pid int, started time.Time, by string) {
	e.do(func() { e.room.started(pid, started, by) })
}

// Hold decides the flow, now or when it is answered. See [Sink].
func (e *Engine) Hold(h Held) {
	if !e.post(func() { e.hold(h) }) {
		h.Release(Decision{Reason: Stopping})
	}
}

func (e *Engine) hold(h Held) {
	h.Attempt = h.Attempt.normal()
	if h.Time.IsZero() {
		h.Time = time.Now()
	}
	h.Zone = e.law.Load().rules.zones.Of(h.Remote.Addr())
	if d, ok := e.law.Load().judge(h.Attempt); ok {
		h.Release(d)
		e.log(h.Attempt, d)
		return
	}
	e.room.take(h)
}

// Decided logs what a backend decided from its cache. See [Sink].
func (e *Engine) Decided(en Entry) {
	en.Count = max(en.Count, 1)
	e.post(func() { e.watcher.Decided(en) })
}

// log tells the watcher what became of an attempt.
func (e *Engine) log(a Attempt, d Decision) {
	e.watcher.Decided(Entry{Attempt: a, Decision: d, Count: 1})
}

// Judge says what the rules and the mode make of an attempt. See [Sink].
func (e *Engine) Judge(a Attempt) (Decision, bool) {
	if a.Time.IsZero() {
		a.Time = time.Now()
	}
	return e.law.Load().judge(a)
}

// HandBack ends the wait of everything: the backend sent it on. See [Sink].
func (e *Engine) HandBack() {
	e.do(func() { e.room.close(Decision{Verdict: Allow, Reason: HandedBack}) })
}

// Lost counts events that a backend could not report. See [Sink].
func (e *Engine) Lost(n uint64) { e.lost.Add(n) }

// LostEvents is the sum of what backends reported by Lost.
func (e *Engine) LostEvents() uint64 { return e.lost.Load() }

// judge decides without asking; ok is false if a person is to be asked.
func (l *law) judge(a Attempt) (d Decision, ok bool) {
	if l.stopped {
		return Decision{Reason: Stopping}, true
	}
	if l.uptime != nil {
		a.Uptime = l.uptime()
	}
	return l.mode.judge(l.rules, a)
}

func (e *Engine) newLaw(rs Ruleset, m Mode) *law {
	l := &law{rules: rs, mode: m}
	if rs.timed() {
		l.uptime = e.uptime
	}
	return l
}

type nobody struct{}

func (nobody) Prompts([]Prompt) {}
func (nobody) Decided(Entry)    {}
