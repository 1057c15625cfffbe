package app

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// away is a person whom the system sees.
type away struct {
	mu    sync.Mutex
	since time.Time // zero: nobody can tell
}

func (a *away) set(since time.Time) { a.mu.Lock(); a.since = since; a.mu.Unlock() }

func (a *away) idle(context.Context) (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.since), !a.since.IsZero()
}

func TestAllTrafficIsLockedOnceNobodyIsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newComputer(t)
		person := &c.person
		person.set(time.Now())
		c.run(time.Hour)
		c.is(firewall.ModeAsk, "switched off, after an hour")
		if err := c.SetSetting(t.Context(), "lock-idle", "5m"); err != nil {
			t.Fatal(err)
		}
		person.set(time.Now())
		c.run(4 * time.Minute)
		c.is(firewall.ModeAsk, "after four minutes")
		c.run(2 * time.Minute)
		c.is(firewall.ModeLock, "after six minutes")
		person.set(time.Now())
		c.run(time.Minute)
		c.is(firewall.ModeLock, "when somebody is back")
		if err := c.SetMode(t.Context(), firewall.ModeAsk); err != nil {
			t.Fatal(err)
		}
		c.run(6 * time.Minute)
		c.is(firewall.ModeLock, "after another six minutes")
		// Ended from afar, it does not come back while nobody is here.
		if err := c.SetMode(t.Context(), firewall.ModeAsk); err != nil {
			t.Fatal(err)
		}
		c.run(time.Hour)
		c.is(firewall.ModeAsk, "ended from afar")
		person.set(time.Now())
		c.run(time.Minute)
		// A desktop program whose person is here counts, as long as it says so.
		for range 10 {
			if err := c.ReportIdle(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			c.run(time.Minute)
		}
		c.is(firewall.ModeAsk, "while somebody uses another session")
		c.run(7 * time.Minute)
		c.is(firewall.ModeLock, "after that")
		// Where nobody can tell, nothing is locked.
		person.set(time.Time{})
		if err := c.SetMode(t.Context(), firewall.ModeAsk); err != nil {
			t.Fatal(err)
		}
		c.run(time.Hour)
		c.is(firewall.ModeAsk, "where nobody can tell")
		if err := c.ReportIdle(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		c.run(20 * time.Second)
		c.is(firewall.ModeAsk, "in the same absence")
		if c.ReportIdle(t.Context(), -1) == nil {
			t.Error("idle for less than no time")
		}
		c.kill()
	})
}
