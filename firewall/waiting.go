package firewall

import (
	"slices"
	"time"
)

// waitingRoom holds the open questions and the flows that wait for an answer.
// It belongs to the goroutine that runs its engine.
type waitingRoom struct {
	engine       *Engine
	maxPrompts   int
	maxHeld      int // beside the first of each question
	maxPerPrompt int

	questions []*question // oldest first
	held      int         // packets held, retransmissions included
	changed   bool        // since the watcher was last told
	ids       promptIDs
	settled   []PromptID // closed by the newest change of rules; their answers may still come
	kept      []answer   // given once, waiting for their flow; oldest first, at most maxPrompts
}

func newWaitingRoom(e *Engine, maxPrompts, maxHeld, maxPerPrompt int) *waitingRoom {
	return &waitingRoom{
		engine:       e,
		maxPrompts:   maxPrompts,
		maxHeld:      maxHeld,
		maxPerPrompt: maxPerPrompt,
		ids:          newPromptIDs(),
	}
}

// take lets a flow that nothing decides wait, and asks about it.
func (w *waitingRoom) take(h Held) {
	which := Question{h.Program, h.Direction}
	q := w.find(which)
	if q != nil {
		if f := q.flow(h.Attempt); f != nil {
			w.join(q, f, h)
			return
		}
	}
	if d, ok := w.answered(which, &h.Attempt); ok {
		h.Release(d)
		w.engine.log(h.Attempt, d)
		return
	}
	if w.full(q) || q == nil && !w.makeSpace() {
		d := Decision{Reason: TooMany}
		h.Release(d)
		w.engine.log(h.Attempt, d)
		return
	}
	if q == nil {
		q = w.ask(h.Attempt)
	} else {
		q.Others++
	}
	q.seek(h.Attempt)
	if q.Expired {
		q.Expired = false
		q.Deadline = time.Now().Add(w.engine.patience)
	}
	f := &waitingFlow{Attempt: h.Attempt, ended: make(chan struct{})}
	q.flows = append(q.flows, f)
	w.engine.log(f.Attempt, Decision{Verdict: Ask, Reason: Asked})
	w.join(q, f, h)
}

// join holds a packet of a flow that waits: the first, or one sent again.
func (w *waitingRoom) join(q *question, f *waitingFlow, h Held) {
	if w.full(q) {
		h.Release(Decision{Reason: TooMany})
		return
	}
	f.releases = append(f.releases, h.Release)
	q.held++
	w.held++
	w.changed = true
	if h.Gone != nil {
		go w.engine.watch(h.Gone, f)
	}
}

// watch waits until the program gives up or the flow waits no more.
func (e *Engine) watch(gone <-chan struct{}, f *waitingFlow) {
	select {
	case <-gone:
		e.post(func() { e.room.leave(f) })
	case <-f.ended:
	}
}

// full tells whether no more packets of q can be held. The first of a question
// always can, so that no program keeps another from being asked about.
func (w *waitingRoom) full(q *question) bool {
	if q == nil || q.held == 0 {
		return false
	}
	beside := w.held
	for _, o := range w.questions {
		beside -= min(o.held, 1)
	}
	return beside >= w.maxHeld || q.held >= w.maxPerPrompt
}

// makeSpace drops the oldest unanswered question if there are too many, and
// tells whether one more can be asked.
func (w *waitingRoom) makeSpace() bool {
	if len(w.questions) < w.maxPrompts {
		return true
	}
	oldest := slices.IndexFunc(w.questions, func(q *question) bool { return q.Expired })
	if oldest < 0 {
		return false
	}
	w.questions = slices.Delete(w.questions, oldest, oldest+1)
	return true
}

// ask opens a question about a flow.
func (w *waitingRoom) ask(first Attempt) *question {
	now := time.Now()
	q := &question{Prompt: Prompt{
		ID:       w.ids.next(),
		Question: Question{first.Program, first.Direction},
		First:    first,
		Asked:    now,
		Deadline: now.Add(w.engine.patience),
	}}
	w.questions = append(w.questions, q)
	w.changed = true
	return q
}

// release ends the wait of the flows of q for which decide has a decision,
// and tells how many these were.
func (w *waitingRoom) release(q *question, decide func(*waitingFlow) (Decision, bool)) int {
	before := len(q.flows)
	q.flows = slices.DeleteFunc(q.flows, func(f *waitingFlow) bool {
		d, ok := decide(f)
		if !ok {
			return false
		}
		close(f.ended)
		for _, release := range f.releases {
			release(d)
		}
		q.held -= len(f.releases)
		w.held -= len(f.releases)
		w.changed = true
		f.Time = time.Now() // the log is in the order in which things were decided
		w.engine.log(f.Attempt, d)
		return true
	})
	return before - len(q.flows)
}

// leave ends the wait of a flow whose program gave up.
func (w *waitingRoom) leave(f *waitingFlow) {
	q := w.find(Question{f.Program, f.Direction})
	if q == nil || !slices.Contains(q.flows, f) {
		return
	}
	w.release(q, func(g *waitingFlow) (Decision, bool) { return Decision{Reason: Gone}, g == f })
	q.Expired = len(q.flows) == 0
}

// expire blocks the flows of every question whose patience has ended.
func (w *waitingRoom) expire(now time.Time) {
	for _, q := range w.questions {
		if !q.Expired && !now.Before(q.Deadline) {
			w.release(q, func(*waitingFlow) (Decision, bool) { return Decision{Reason: Unanswered}, true })
			q.Expired = true
			w.changed = true
		}
	}
}

// nextDeadline is when expire has something to do; far in the future if it
// has not.
func (w *waitingRoom) nextDeadline() time.Time {
	next := distantFuture
	for _, q := range w.questions {
		if !q.Expired && q.Deadline.Before(next) {
			next = q.Deadline
		}
	}
	return next
}

var distantFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// judgeAgain releases what rules and mode now decide. A question is closed
// when what it shows is decided; what remains of it is asked anew.
func (w *waitingRoom) judgeAgain() {
	law, now := w.engine.law.Load(), time.Now()
	judge := func(a Attempt) (Decision, bool) {
		a.Time = now
		return law.judge(a)
	}
	w.settled = w.settled[:0]
	for _, q := range slices.Clone(w.questions) {
		q.First.Zone = law.rules.zones.Of(q.First.Remote.Addr())
		for _, f := range q.flows {
			f.Zone = law.rules.zones.Of(f.Remote.Addr())
		}
		w.release(q, func(f *waitingFlow) (Decision, bool) { return judge(f.Attempt) })
		if _, decided := judge(q.First); decided {
			w.settled = append(w.settled, q.ID)
			w.conclude(q)
		} else if len(q.flows) == 0 {
			q.Expired = true
		}
	}
}

// conclude closes a question and asks about the flows that still wait.
func (w *waitingRoom) conclude(q *question) {
	w.questions = slices.DeleteFunc(w.questions, func(o *question) bool { return o == q })
	w.changed = true
	if len(q.flows) == 0 {
		return
	}
	again := w.ask(q.flows[0].Attempt)
	again.flows, again.held, again.Others = q.flows, q.held, len(q.flows)-1
	for _, f := range q.flows {
		again.seek(f.Attempt)
	}
}

// answer does what [Engine.Answer] promises.
func (w *waitingRoom) answer(a Answer) error {
	if a.Verdict != Allow && a.Verdict != Block {
		return ErrNoAnswer
	}
	i := slices.IndexFunc(w.questions, func(q *question) bool { return q.ID == a.Prompt })
	if i < 0 {
		if a.Rule != nil && slices.Contains(w.settled, a.Prompt) {
			return nil
		}
		return ErrNoPrompt
	}
	q := w.questions[i]
	if a.Rule != nil && q.Program.ID() == "" {
		return ErrUnidentified
	}
	if a.Scope == ScopeStarter && q.First.StartedBy == "" {
		return ErrNoStarter
	}
	covers := q.Rule(a.Verdict, a.Scope)
	d := Decision{Verdict: a.Verdict, Reason: ByAnswer}
	if a.Rule != nil {
		d.Reason, d.Rule = ByRule, *a.Rule
	}
	released := w.release(q, func(f *waitingFlow) (Decision, bool) { return d, covers.meets(&f.Attempt) })
	if released == 0 && a.Rule == nil {
		w.keep(answer{q.Question, covers})
	}
	w.conclude(q)
	return nil
}

// close ends the wait of everything so, and forgets the questions.
func (w *waitingRoom) close(d Decision) {
	for _, q := range w.questions {
		w.release(q, func(*waitingFlow) (Decision, bool) { return d, true })
	}
	w.changed = w.changed || len(w.questions) > 0
	w.questions = nil
}

func (w *waitingRoom) find(which Question) *question {
	i := slices.IndexFunc(w.questions, func(q *question) bool { return q.Question == which })
	if i < 0 {
		return nil
	}
	return w.questions[i]
}

// prompts returns the open prompts, oldest first.
func (w *waitingRoom) prompts() []Prompt {
	ps := make([]Prompt, len(w.questions))
	for i, q := range w.questions {
		ps[i] = q.Prompt
		ps[i].Waiting = len(q.flows)
		ps[i].Sought = slices.Clone(q.Sought) // what is told is no longer the engine's
	}
	return ps
}
