package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// computer is one whose clocks the test sets. It runs in the test's virtual
// time.
type computer struct {
	t    *testing.T
	path string

	mu     sync.Mutex
	set    time.Duration // by how much the clock on the wall is wrong
	slept  time.Duration // while timers stood still
	boots  int
	booted time.Time

	person away

	store *persistence.Store
	*Control
	stop func()
}

func newComputer(t *testing.T) *computer {
	c := &computer{t: t, path: filepath.Join(t.TempDir(), "data", databaseFile)}
	c.boot(firewall.ModeAsk)
	t.Cleanup(func() { c.kill() })
	return c
}

func (c *computer) clock() clock {
	return clock{
		boot: fmt.Sprintf("boot-%d", c.boots),
		wall: func() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return time.Now().Add(c.set + c.slept) },
		uptime: func() time.Duration {
			c.mu.Lock()
			defer c.mu.Unlock()
			return time.Since(c.booted) + c.slept + time.Minute
		},
	}
}

// boot starts the computer and its engine.
func (c *computer) boot(first firewall.Mode) {
	c.t.Helper()
	c.boots++
	c.booted = time.Now()
	c.set, c.slept = c.set+c.slept, 0
	c.start(first)
}

// start starts the engine alone.
func (c *computer) start(first firewall.Mode) {
	c.t.Helper()
	var err error
	if c.store, _, err = persistence.Open(c.path); err != nil {
		c.t.Fatal(err)
	}
	if c.Control, err = newControl(c.store, firewalltest.NewMemory(), first, c.clock()); err != nil {
		c.t.Fatal(err)
	}
	c.idleness.system = c.person.idle
	ctx, cancel := withCancel(c.t)
	var running sync.WaitGroup
	running.Go(func() { c.engine.Run(ctx) })
	running.Go(func() { c.Run(ctx) })
	running.Go(func() { c.journal.Run(ctx) })
	store := c.store
	c.stop = func() { cancel(); running.Wait(); store.Close() }
}

// kill ends the engine; nothing that it does then changes what the next finds.
func (c *computer) kill() {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

// turn sets the clock on the wall.
func (c *computer) turn(d time.Duration) { c.mu.Lock(); c.set += d; c.mu.Unlock() }

// sleep has the computer sleep; timers stand still meanwhile.
func (c *computer) sleep(d time.Duration) { c.mu.Lock(); c.slept += d; c.mu.Unlock() }

func (c *computer) run(d time.Duration) { time.Sleep(d); synctest.Wait() }

func (c *computer) is(want firewall.Mode, when string) {
	c.t.Helper()
	s, err := c.Status(c.t.Context())
	if err != nil || s.Mode != want {
		c.t.Errorf("%s the mode is %v, %v; want %v", when, s.Mode, err, want)
	}
	if ends := s.ModeUntil != nil; ends != (want == firewall.ModeOff || want == firewall.ModeLearn) {
		c.t.Errorf("%s the mode ends: %t", when, ends)
	}
}

func (c *computer) setFor(m firewall.Mode, d time.Duration) {
	c.t.Helper()
	if err := c.SetModeFor(c.t.Context(), m, d); err != nil {
		c.t.Fatal(err)
	}
}

func TestAModeEndsByItself(t *testing.T) {
	for _, test := range []struct {
		name   string
		happen func(*computer)
		want   firewall.Mode
	}{
		{"nothing", func(c *computer) { c.run(29 * time.Minute) }, firewall.ModeOff},
		{"its time is over", func(c *computer) { c.run(31 * time.Minute) }, firewall.ModeAsk},
		{"the engine is killed", func(c *computer) { c.run(time.Minute); c.kill(); c.start(firewall.ModeAsk) }, firewall.ModeOff},
		{"the engine is killed, and comes back late", func(c *computer) { c.kill(); time.Sleep(31 * time.Minute); c.start(firewall.ModeAsk) }, firewall.ModeAsk},
		{"the engine is killed, and its clock set back", func(c *computer) {
			c.run(20 * time.Minute)
			c.kill()
			c.turn(-15 * time.Minute)
			c.start(firewall.ModeAsk)
			c.run(11 * time.Minute)
		}, firewall.ModeAsk},
		{"the computer sleeps", func(c *computer) { c.sleep(40 * time.Minute); c.run(2 * time.Second) }, firewall.ModeAsk},
		{"the computer sleeps a little", func(c *computer) { c.sleep(20 * time.Minute); c.run(9 * time.Minute) }, firewall.ModeOff},
		{"the clock is set back a year", func(c *computer) { c.turn(-8760 * time.Hour); c.run(31 * time.Minute) }, firewall.ModeAsk},
		{"the clock is set back a year at once", func(c *computer) { c.turn(-8760 * time.Hour); c.run(29 * time.Minute) }, firewall.ModeOff},
		{"the clock is set forward", func(c *computer) { c.turn(time.Hour); c.run(2 * time.Second) }, firewall.ModeAsk},
		{"the computer starts again", func(c *computer) { c.run(time.Minute); c.kill(); c.boot(firewall.ModeAsk) }, firewall.ModeOff},
		{"the computer starts again, late", func(c *computer) { c.kill(); time.Sleep(31 * time.Minute); c.boot(firewall.ModeAsk) }, firewall.ModeAsk},
		{"the computer starts again with a clock that is behind", func(c *computer) { c.kill(); c.turn(-8760 * time.Hour); c.boot(firewall.ModeAsk) }, firewall.ModeAsk},
		{"the computer starts again, and then the clock is set back", func(c *computer) {
			c.run(time.Minute)
			c.kill()
			c.boot(firewall.ModeAsk)
			c.turn(-8760 * time.Hour)
			c.run(30 * time.Minute)
		}, firewall.ModeAsk},
		{"the person ends it", func(c *computer) {
			if err := c.SetMode(c.t.Context(), firewall.ModeAsk); err != nil {
				c.t.Error(err)
			}
		}, firewall.ModeAsk},
		{"another person prolongs it", func(c *computer) {
			c.run(20 * time.Minute)
			c.setFor(firewall.ModeOff, 30*time.Minute)
			c.run(20 * time.Minute)
		}, firewall.ModeOff},
		{"learning follows it, and ends", func(c *computer) { c.setFor(firewall.ModeLearn, time.Minute); c.run(2 * time.Minute) }, firewall.ModeAsk},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newComputer(t)
				if err := c.SetMode(t.Context(), firewall.ModeAsk); err != nil {
					t.Fatal(err)
				}
				c.setFor(firewall.ModeOff, 30*time.Minute)
				c.is(firewall.ModeOff, "at first")
				test.happen(c)
				c.is(test.want, "in the end")
				stored, _ := c.store.TimedMode()
				if left := stored != (persistence.TimedMode{}); left != (test.want == firewall.ModeOff) {
					t.Errorf("stored is %+v", stored)
				}
				c.kill()
			})
		})
	}
}

// The mode that a timed one goes back to may be one that nobody chose, or the
// lock.
func TestATimedModeGoesBackToWhatWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newComputer(t)
		for _, before := range []firewall.Mode{firewall.ModeBlock, firewall.ModeLock, firewall.ModeAllow} {
			if err := c.SetMode(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			c.setFor(firewall.ModeOff, time.Minute)
			c.run(2 * time.Minute)
			c.is(before, "after off")
		}
		for _, m := range []firewall.Mode{firewall.ModeAsk, firewall.ModeLock} {
			if err := c.SetModeFor(t.Context(), m, time.Hour); !errors.Is(err, ui.ErrInvalid) {
				t.Errorf("%s for an hour: %v", m, err)
			}
		}
		for _, d := range []time.Duration{-time.Hour, 0, time.Millisecond, 8 * 24 * time.Hour} {
			if err := c.SetModeFor(t.Context(), firewall.ModeOff, d); !errors.Is(err, ui.ErrInvalid) {
				t.Errorf("off for %v: %v", d, err)
			}
		}
		c.kill()
	})
}

func TestRulesEndWithTheComputersRestartOrByBothClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newComputer(t)
		add := func(program, until string, v firewall.Verdict) string {
			t.Helper()
			r, err := c.AddRule(t.Context(), ui.Rule{Program: program, Verdict: v, Until: until, Enabled: true})
			if err != nil {
				t.Fatal(err)
			}
			return r.ID
		}
		rules := map[string]string{}
		have := func(when string, want ...string) {
			t.Helper()
			list, err := c.Rules(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range list {
				got = append(got, rules[r.ID])
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s there are %v, want %v", when, got, want)
			}
		}
		rules[add("/usr/bin/a", "restart", firewall.Allow)] = "restart"
		rules[add("/usr/bin/b", "2h", firewall.Allow)] = "allow"
		rules[add("/usr/bin/c", "2h", firewall.Block)] = "block"
		rules[add("/usr/bin/d", "always", firewall.Allow)] = "always"
		c.run(time.Hour)
		c.kill()
		c.start(firewall.ModeAsk)
		have("after the engine's restart", "restart", "allow", "block", "always")
		c.turn(-24 * time.Hour)
		c.run(time.Minute)
		have("with the clock set back", "restart", "allow", "block", "always")
		c.turn(24 * time.Hour)
		c.kill()
		c.boot(firewall.ModeAsk)
		have("after the computer's restart", "allow", "block", "always")
		c.turn(-24 * time.Hour)
		c.run(time.Hour)
		have("two hours after, by the clock that nobody can set", "always")
		rules[add("/usr/bin/b", "2h", firewall.Allow)] = "allow"
		rules[add("/usr/bin/c", "2h", firewall.Block)] = "block"
		c.turn(48 * time.Hour)
		c.run(2 * time.Minute)
		have("with the clock set forward", "always", "block")
		c.kill()
	})
}

func TestARuleUntilRestartIsNotBroughtBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newComputer(t)
		if _, err := c.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/a", Verdict: firewall.Allow, Until: "restart", Enabled: true}); err != nil {
			t.Fatal(err)
		}
		document, err := c.Export(t.Context())
		if err != nil || !strings.Contains(string(document), "restart:boot-1") {
			t.Fatalf("exported %s, %v", document, err)
		}
		c.kill()
		c.boot(firewall.ModeAsk)
		if diff, err := c.Import(t.Context(), document, ui.ImportOptions{Apply: true, Replace: true}); err != nil || len(diff.Added) != 0 {
			t.Errorf("imported %+v, %v", diff, err)
		}
		if list, err := c.Rules(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("there are %+v, %v", list, err)
		}
		if _, err := c.Import(t.Context(), []byte("sallyport = 1\nmode = \"learn\"\n"), ui.ImportOptions{Apply: true}); !errors.Is(err, ui.ErrInvalid) {
			t.Errorf("mode learn is imported: %v", err)
		}
		c.kill()
	})
}

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}
