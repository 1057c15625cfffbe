package firewall

import (
	"slices"
	"time"
)

// known does what [Engine.Known] promises. A question about the program of
// before closes: a click on it is meant for what it showed.
func (w *waitingRoom) known(old, now Program) {
	law := w.engine.law.Load()
	for _, d := range []Direction{Out, In} {
		q := w.find(Question{old, d})
		if q == nil || old == now {
			continue
		}
		for _, f := range q.flows {
			f.Program = now
		}
		q.First.Program = now
		w.release(q, func(f *waitingFlow) (Decision, bool) {
			a := f.Attempt
			a.Time = time.Now()
			return law.judge(a)
		})
		_, decided := law.judge(q.First)
		asked := w.find(Question{now, d})
		switch {
		case asked != nil:
			w.questions = slices.DeleteFunc(w.questions, func(o *question) bool { return o == q })
			asked.flows, asked.held, asked.Others = append(asked.flows, q.flows...), asked.held+q.held, asked.Others+len(q.flows)
			if asked.Expired && len(q.flows) > 0 {
				asked.Expired, asked.Deadline = false, q.Deadline
			}
			w.changed = true
		case len(q.flows) == 0 && !decided: // nobody waits, and it stays to be answered
			w.conclude(q)
			w.ask(q.First).Expired = true
		default:
			w.conclude(q)
		}
	}
}

// started does what [Engine.Started] promises. An answer that was given once to
// what this starts counts now.
func (w *waitingRoom) started(pid int, at time.Time, by string) {
	law := w.engine.law.Load()
	tell := func(a *Attempt) bool {
		if a.PID != pid || !sameStart(a.Started, at) || a.StartedBy != "" || by == "" {
			return false
		}
		a.StartedBy = by
		return true
	}
	for _, q := range slices.Clone(w.questions) {
		first := tell(&q.First)
		w.changed = w.changed || first
		released := w.release(q, func(f *waitingFlow) (Decision, bool) {
			if !tell(&f.Attempt) {
				return Decision{}, false
			}
			if d, ok := w.answered(q.Question, &f.Attempt); ok {
				return d, true
			}
			a := f.Attempt
			a.Time = time.Now()
			return law.judge(a)
		})
		if released > 0 && (first || len(q.flows) == 0) {
			w.conclude(q)
		}
	}
}
