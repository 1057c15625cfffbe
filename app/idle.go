package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

const (
	idleCheck  = 10 * time.Second // between looks at how long nobody was here
	idleReport = time.Minute      // what a desktop program reported longer ago says nothing
)

// idleness is since when nobody used the computer.
type idleness struct {
	system func(context.Context) (idle time.Duration, known bool) // what the system tells

	mu       sync.Mutex
	reported map[string]idleSince // by desktop program
}

type idleSince struct{ since, told time.Time }

// report takes what a desktop program says of its session.
func (i *idleness) report(who string, idle time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	if i.reported == nil {
		i.reported = map[string]idleSince{}
	}
	for w, r := range i.reported {
		if now.Sub(r.told) > idleReport {
			delete(i.reported, w)
		}
	}
	i.reported[who] = idleSince{now.Add(-idle), now}
}

// idle is how long nobody used the computer: the shortest time that anybody
// tells. Who says that they are here keeps the computer from being locked, and
// nothing else.
func (i *idleness) idle(ctx context.Context) (idle time.Duration, known bool) {
	idle, known = i.system(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.reported {
		if time.Since(r.told) <= idleReport && (!known || time.Since(r.since) < idle) {
			idle, known = time.Since(r.since), true
		}
	}
	return idle, known
}

// ReportIdle takes how long nobody used the session of a desktop program.
func (c *Control) ReportIdle(ctx context.Context, idle time.Duration) error {
	if idle < 0 {
		return fmt.Errorf("%w: idle for %v", ui.ErrInvalid, idle)
	}
	who := changeBy(ctx, "")
	c.idleness.report(fmt.Sprint(who.UID, " ", who.PID), idle)
	return nil
}

// lockWhenIdle locks all traffic once nobody has been here for as long as the
// setting says, until ctx ends. Only a person ends the lock; while they are
// away it does not come back by itself.
func (c *Control) lockWhenIdle(ctx context.Context) {
	tick := time.NewTicker(idleCheck)
	defer tick.Stop()
	armed := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		after := c.state.Load().settings.LockIdle
		if after == 0 {
			armed = true
			continue
		}
		idle, known := c.idleness.idle(ctx)
		switch {
		case !known:
		case idle < after:
			armed = true
		case armed && c.state.Load().mode != firewall.ModeLock:
			armed = false
			c.lockIdle(ctx, idle)
		default:
			armed = false
		}
	}
}

func (c *Control) lockIdle(ctx context.Context, idle time.Duration) {
	c.changing.Lock()
	defer c.changing.Unlock()
	lock := firewall.ModeLock
	_, err := c.update(ctx, persistence.Update{Mode: &lock}, fmt.Sprintf("mode lock: nobody was here for %v", idle.Truncate(time.Second)))
	if err != nil && c.state.Load().mode != lock {
		err = c.lockForNow(ctx, err)
	}
	if err != nil {
		slog.Error("lock when idle", "err", err)
	}
}
