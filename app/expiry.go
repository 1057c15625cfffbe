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
	t := time.NewTimer(time.Until(u.At))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
