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
	waits   map[firewall.RuleID]context.CancelFunc
	until   map[firewall.RuleID]firewall.Expiry
	running sync.WaitGroup
}

func (x *expiry) start(ctx context.Context) { x.ctx = ctx }

// wait returns when no rule is waited for any more; start's context has ended.
func (x *expiry) wait() { x.running.Wait() }

// set makes the rules those whose end is waited for.
func (x *expiry) set(rules []firewall.Rule) {
	if x.ctx == nil || x.ctx.Err() != nil {
		return
	}
	until := map[firewall.RuleID]firewall.Expiry{}
	for _, r := range rules {
		if (r.Until != firewall.Expiry{}) {
			until[r.ID] = r.Until
		}
	}
	for id, cancel := range x.waits {
		if until[id] != x.until[id] {
			cancel()
			delete(x.waits, id)
		}
	}
	for id, u := range until {
		if x.waits[id] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(x.ctx)
		x.waits[id] = cancel
		x.running.Go(func() {
			defer cancel()
			if end(ctx, u) == nil {
				x.ended(id)
			}
		})
	}
	x.until = until
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
