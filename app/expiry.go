package app

import (
	"context"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// expiry ends rules, and the mode: what has a time by both clocks, what is of
// one process when it exits. Its methods are called by whoever holds
// Control.changing, save wait.
type expiry struct {
	clock clock
	ended func(firewall.RuleID) // modeEnd is the mode

	ctx     context.Context // from start on
	waits   map[firewall.RuleID]wait
	running sync.WaitGroup
}

// wait is a rule whose end is waited for.
type wait struct {
	lasting
	cancel context.CancelFunc
}

// lasting is how long what has the verdict lasts.
type lasting struct {
	until   firewall.Expiry
	verdict firewall.Verdict
}

// modeEnd is, among the rules, the mode: no rule is without an ID.
const modeEnd firewall.RuleID = ""

func (x *expiry) start(ctx context.Context) { x.ctx = ctx }

// wait returns when no rule is waited for any more; start's context has ended.
func (x *expiry) wait() { x.running.Wait() }

// put waits for the rule's end, if it has one, from now on.
func (x *expiry) put(r firewall.Rule) { x.await(r.ID, lasting{r.Until, r.Verdict}, clockCheck) }

// mode waits for the end of a timed mode; the zero Expiry is none.
func (x *expiry) mode(until firewall.Expiry) {
	x.await(modeEnd, lasting{until, firewall.Allow}, modeCheck)
}

func (x *expiry) await(id firewall.RuleID, t lasting, check time.Duration) {
	if w, ok := x.waits[id]; ok && w.lasting == t {
		return
	}
	x.remove(id)
	if x.ctx == nil || x.ctx.Err() != nil || !t.until.Exit && t.until.At.IsZero() {
		return
	}
	ctx, cancel := context.WithCancel(x.ctx)
	x.waits[id] = wait{t, cancel}
	x.running.Go(func() {
		defer cancel()
		if x.end(ctx, t, check) == nil {
			x.ended(id)
		}
	})
}

// remove waits for a rule's end no more.
func (x *expiry) remove(id firewall.RuleID) {
	if w, ok := x.waits[id]; ok {
		w.cancel()
		delete(x.waits, id)
	}
}

// end returns nil once the time is over.
func (x *expiry) end(ctx context.Context, t lasting, check time.Duration) error {
	if t.until.Exit {
		return process.Wait(ctx, t.until.PID, t.until.Started)
	}
	// A timer stands still while the computer sleeps, and knows nothing of a
	// clock that was set: it is asked again and again what time it is.
	for {
		left, _ := t.until.Left(x.clock.now(), t.verdict)
		if left <= 0 {
			return nil
		}
		select {
		case <-time.After(min(left, check)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// clockCheck is how long a rule may stay behind after the clock was set or the
// computer slept. New flows are judged by the clock itself.
const clockCheck = time.Minute

// modeCheck is the same of a mode that ends: it is all that opens the firewall.
const modeCheck = time.Second
