package ui

import "time"

// guardTime is how long a question that just appeared takes no input, so that
// a click or a key meant for something else does not answer it.
const guardTime = 700 * time.Millisecond

// promptQueue holds the open questions and which of them is on the screen. The
// shown one stays until it is answered or the person turns to another.
type promptQueue struct {
	open  []Prompt // oldest first
	shown string   // the ID of the question on the screen, or ""
	since time.Time
}

// take replaces the open questions. It tells whether another question must be
// shown now than before (or none).
func (q *promptQueue) take(open []Prompt, now time.Time) bool {
	at := q.index()
	q.open = open
	if q.shown != "" && q.index() >= 0 {
		return false
	}
	before := q.shown
	q.shown = ""
	if len(open) > 0 {
		q.show(q.next(max(at, 0)), now)
	}
	return q.shown != before
}

// next chooses the question to show where the one at position at is gone: the
// first from there on that still waits, then any that waits, then any.
func (q *promptQueue) next(at int) int {
	for i := range q.open {
		if k := (at + i) % len(q.open); q.open[k].State != promptUnanswered {
			return k
		}
	}
	return min(at, len(q.open)-1)
}

// step turns to the next (1) or previous (-1) question.
func (q *promptQueue) step(by int, now time.Time) bool {
	n := len(q.open)
	if n < 2 || q.index() < 0 {
		return false
	}
	q.show((q.index()+by+n)%n, now)
	return true
}

func (q *promptQueue) show(i int, now time.Time) {
	q.shown, q.since = q.open[i].ID, now
}

// index is the position of the shown question, -1 if there is none.
func (q *promptQueue) index() int {
	for i := range q.open {
		if q.open[i].ID == q.shown {
			return i
		}
	}
	return -1
}

// current is the shown question.
func (q *promptQueue) current() (Prompt, bool) {
	if i := q.index(); i >= 0 {
		return q.open[i], true
	}
	return Prompt{}, false
}

// guard makes the shown question take no input for a while.
func (q *promptQueue) guard(now time.Time) { q.since = now }

// guarded tells whether input is to be ignored.
func (q *promptQueue) guarded(now time.Time) bool { return now.Sub(q.since) < guardTime }
