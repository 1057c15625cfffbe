package firewall

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// question is an open prompt with its flows. The prompt's Waiting is not set.
type question struct {
	Prompt
	flows []*waitingFlow // oldest first
	held  int            // packets of the flows
}

// waitingFlow is a flow that waits, with all packets of it that are held.
type waitingFlow struct {
	Attempt
	releases []func(Decision)
	ended    chan struct{} // closed when it waits no more
}

// answer is what a person said, just this once.
type answer struct {
	Question
	covers Rule // its conditions are the flows that are covered
}

// keep remembers an answer for the next flow that it covers. It replaces an
// earlier one to the same question.
func (w *waitingRoom) keep(a answer) {
	w.kept = slices.DeleteFunc(w.kept, func(o answer) bool { return o.Question == a.Question })
	if len(w.kept) >= w.maxPrompts {
		w.kept = slices.Delete(w.kept, 0, 1)
	}
	w.kept = append(w.kept, a)
}

// answered takes out what a person answered once before, if the attempt is what
// that was kept for.
func (w *waitingRoom) answered(which Question, a *Attempt) (Decision, bool) {
	i := slices.IndexFunc(w.kept, func(k answer) bool { return k.Question == which && k.covers.meets(a) })
	if i < 0 {
		return Decision{}, false
	}
	d := Decision{Verdict: w.kept[i].covers.Verdict, Reason: ByAnswer}
	w.kept = slices.Delete(w.kept, i, i+1)
	return d, true
}

// flow returns the waiting flow that a is a packet of, or nil.
func (q *question) flow(a Attempt) *waitingFlow {
	i := slices.IndexFunc(q.flows, func(f *waitingFlow) bool {
		return f.Flow == a.Flow && f.PID == a.PID && f.Started.Equal(a.Started)
	})
	if i < 0 {
		return nil
	}
	return q.flows[i]
}

// promptIDs makes prompt ids: the second of the start and a little chance, so
// that no two starts are alike, and a counter.
type promptIDs struct {
	start string
	count uint64
}

func newPromptIDs() promptIDs {
	seconds := strconv.FormatInt(time.Now().Unix(), 36)
	return promptIDs{start: seconds + strings.ToLower(rand.Text()[:5])}
}

func (ids *promptIDs) next() PromptID {
	ids.count++
	return PromptID(fmt.Sprintf("%s-%d", ids.start, ids.count))
}
