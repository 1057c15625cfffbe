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
