package app

import (
	"context"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// expiry ends rules: those with a time by a timer, those of one process when
// it exits. Its methods are called by whoever holds Control.changing, save
// wait.
type expiry struct {
	ended func(firewall.RuleID)

	ctx     context.Context // from start on
	waits   map[firewall.RuleID]wait
	running sync.WaitGroup
}

// wait is a rule whose end is waited for.
type wait struct {
	until  firewall.Expiry
	cancel context.CancelFunc
}

func (x *expiry) start(ctx context.Context) { x.ctx = ctx }

// wait returns when no rule is waited for any more; start's context has ended.
func (x *expiry) wait() { x.running.Wait() }

// put waits for the rule's end, if it has one, from now on.
func (x *expiry) put(r firewall.Rule) {
	if w, ok := x.waits[r.ID]; ok && w.until == r.Until {
		return
	}
	x.remove(r.ID)
	if x.ctx == nil || x.ctx.Err() != nil || (r.Until == firewall.Expiry{}) {
		return
	}
	ctx, cancel := context.WithCancel(x.ctx)
	x.waits[r.ID] = wait{r.Until, cancel}
	x.running.Go(func() {
		defer cancel()
		if end(ctx, r.Until) == nil {
			x.ended(r.ID)
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

// end returns nil once a rule's time is over.
func end(ctx context.Context, u firewall.Expiry) error {
	if u.Exit {
		return process.Wait(ctx, u.PID, u.Started)
	}
	// A timer stands still while the computer sleeps, and knows nothing of a
	// clock that was set: it is asked again and again what time it is.
	for left := time.Until(u.At.Round(0)); left > 0; left = time.Until(u.At.Round(0)) {
		select {
		case <-time.After(min(left, clockCheck)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// clockCheck is how long a rule may stay behind after the clock was set or the
// computer slept. New flows are judged by the clock itself.
const clockCheck = time.Minute
