package windivert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/wfp"
)

// memoryGuard is a filtering platform in memory.
type memoryGuard struct {
	driver *memoryDriver

	mu      sync.Mutex
	rules   []wfp.Rule
	permits bool // an engine's override is in force
	steps   []string
	busy    chan struct{} // Apply waits until it is closed; nil: it does not
	refuses map[string]error
}

func closedWorld() (*world, *memoryGuard) {
	w := newWorld(ipv4World)
	g := &memoryGuard{driver: w.driver, refuses: map[string]error{}}
	w.guard = g
	return w, g
}

// step notes what is asked, and is why it is refused.
func (g *memoryGuard) step(what string) error {
	g.steps = append(g.steps, what)
	return g.refuses[what]
}

func (g *memoryGuard) Override() (io.Closer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.permits {
		return overrideInMemory{g}, nil
	}
	if err := g.step("override"); err != nil {
		return nil, err
	}
	g.permits = true
	return overrideInMemory{g}, nil
}

func (g *memoryGuard) Apply(ctx context.Context, rules []wfp.Rule) (c wfp.Change, err error) {
	g.mu.Lock()
	busy := g.busy
	g.mu.Unlock()
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.step("apply"); err != nil {
		return c, err
	}
	c.Added, c.Removed = len(rules), len(g.rules)
	g.rules = slices.Clone(rules)
	return c, nil
}

func (g *memoryGuard) Remove() (removed []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.step("remove"); err != nil {
		return nil, err
	}
	if len(g.rules) > 0 {
		removed = append(removed, fmt.Sprintf("%d rules", len(g.rules)))
	}
	g.rules, g.permits = nil, false
	return removed, nil
}

type overrideInMemory struct{ *memoryGuard }

func (o overrideInMemory) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.permits {
		o.permits = false
		return o.step(fmt.Sprintf("end override, %d handles open", o.driver.count()))
	}
	return nil
}

// refuse has a step fail from now on, or with a nil error succeed.
func (g *memoryGuard) refuse(step string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuses[step] = err
}

// keepBusy has Apply wait until the channel is closed.
func (g *memoryGuard) keepBusy(until chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = until
}

// take returns the steps since the last take.
func (g *memoryGuard) take() (steps []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	steps, g.steps = g.steps, nil
	return steps
}

// says tells whether a rule in force reads so.
func (g *memoryGuard) says(rule string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.rules, func(r wfp.Rule) bool { return r.String() == rule })
}

func (g *memoryGuard) expect(t *testing.T, permits bool, rules int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.permits != permits || len(g.rules) != rules {
		t.Errorf("%d rules are in force, want %d; the engine's permit %v, want %v; steps %q", len(g.rules), rules, g.permits, permits, g.steps)
	}
}

func (s *site) notes() string { return strings.Join(s.backend.Stats().Notes, "; ") }

func (s *site) noted(note string) {
	s.Helper()
	if got := s.notes(); !strings.Contains(got, note) {
		s.Errorf("the notes are %q, want %q", got, note)
	}
}

// Rules without programs: both versions of everything, of loopback and of the
// network's own, and the world's one resolver by two protocols.
const (
	whileLocked = 4
	withoutAny  = whileLocked + 5 + 2
)

func allows(name string) string { return "2 allow IPv4 program " + program(name).Path }
func blocks(name string) string { return "3 block IPv4 program " + program(name).Path }

func TestTheEnginesPermitComesBeforeTheRulesAndBothBeforeItIsReady(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		s.stop()
		g.take()
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error)
		go func() {
			ended <- s.backend.Run(ctx, s.engine, func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.step("ready")
			})
		}()
		synctest.Wait()
		if got := g.take(); !slices.Equal(got, []string{"override", "apply", "ready"}) {
			t.Errorf("it did %q", got)
		}
		s.noted(wfp.NotShown)
		cancel()
		<-ended
	})
}

func TestWhatHoldsWithoutAnEngineFollowsRulesAndMode(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		g.expect(t, true, withoutAny+2)
		if !g.says(allows("a")) {
			t.Error("what a rule allows is blocked without an engine")
		}
		s.use(firewall.ModeAsk, rule("a", firewall.Block), rule("b", firewall.Allow))
		if g.says(allows("a")) || !g.says(blocks("a")) || !g.says(allows("b")) {
			t.Error("the rules of before hold without an engine")
		}
		s.use(firewall.ModeLock, rule("b", firewall.Allow))
		g.expect(t, true, whileLocked)
		s.use(firewall.ModeOff, rule("b", firewall.Allow))
		g.expect(t, false, 0)
		s.use(firewall.ModeBlock, rule("b", firewall.Allow))
		g.expect(t, true, withoutAny+2)
		s.noted(wfp.NotShown)
	}, rule("a", firewall.Allow))
}

func TestTheResolversOfAnotherNetworkAreReachedWithoutAnEngine(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		w.mu.Lock()
		w.resolver = netip.MustParseAddrPort("192.168.7.1:53")
		w.mu.Unlock()
		s.wait(resolversEvery)
		if !g.says("2 allow IPv4 udp to 192.168.7.1 to port 53") || g.says("2 allow IPv4 udp to 10.0.0.53 to port 53") {
			t.Error("the resolvers are those of before")
		}
	})
}

func TestNobodyWaitsForThePlatformAndTheNewestPolicyWins(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		g.take()
		busy := make(chan struct{})
		g.keepBusy(busy)
		s.use(firewall.ModeAsk, rule("a", firewall.Allow))
		s.use(firewall.ModeAsk, rule("b", firewall.Allow))
		s.use(firewall.ModeAsk, rule("c", firewall.Allow))
		c := w.dial(w.start("c"), w.destination(0))
		s.wait(joinPatience)
		s.expect(c, "open")
		close(busy)
		synctest.Wait()
		if steps := g.take(); len(steps) != 2 || g.says(allows("a")) || g.says(allows("b")) || !g.says(allows("c")) {
			t.Errorf("after %q other rules are in force", steps)
		}
	})
}

func TestFailOpenRemovesTheRulesAtOnce(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		s.open = true
		s.use(firewall.ModeAsk)
		g.expect(t, false, 0)
		s.noted("if the engine ends by itself, everything passes")
		g.take()
		s.use(firewall.ModeBlock)
		if steps := g.take(); len(steps) > 0 {
			t.Errorf("where nothing is left it did %q", steps)
		}
		s.open = false
		s.use(firewall.ModeBlock)
		g.expect(t, true, withoutAny)
	})
}

func TestFailOpenRemovesWhatAnEarlierEngineLeft(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		s.end(firewall.ErrHandOver)
		g.expect(t, false, withoutAny)
		s.open = true
		s.start()
		g.expect(t, false, 0)

		s.end(firewall.ErrHandOver)
		g.refuse("remove", errors.New("the platform is busy"))
		s.start()
		s.noted("without an engine programs may be blocked: remove what blocks without an engine: the platform is busy")
		if err := s.stop(); err == nil || !strings.Contains(err.Error(), "the platform is busy") {
			t.Errorf("a stop that leaves rules ends with %v", err)
		}
	})
}

func TestAfterAStopNothingOfOursIsLeft(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		g.expect(t, false, 0)
	})
}

func TestTheNextEngineTakesOverAClosedSystem(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		g.keepBusy(make(chan struct{}))
		s.use(firewall.ModeAsk, rule("a", firewall.Block))
		g.keepBusy(nil)
		g.take()
		if err := s.end(firewall.ErrHandOver); err != nil {
			t.Error(err)
		}
		if got := g.take(); !slices.Equal(got, []string{"apply", "end override, 2 handles open"}) {
			t.Errorf("it did %q", got)
		}
		if !g.says(blocks("a")) {
			t.Error("the change of the last moment is lost")
		}
		g.expect(t, false, withoutAny+2)
		s.start()
		g.expect(t, true, withoutAny+2)
	})
}

func TestALostDriverLeavesTheSystemClosedAndSaysSo(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		w.driver.handle(filterPackets).lose()
		synctest.Wait()
		g.expect(t, false, withoutAny)
		if err := s.stop(); !errors.Is(err, errNoDriver) || !strings.Contains(err.Error(), "fail closed: until an engine runs, only what rules allow passes") {
			t.Errorf("it ends with %v", err)
		}
		g.expect(t, false, withoutAny)
	})
}

func TestALostDriverUnderFailOpenSaysThatEverythingPasses(t *testing.T) {
	w, g := closedWorld()
	story(t, w, func(s *site) {
		s.open = true
		s.use(firewall.ModeAsk)
		w.driver.handle(filterPackets).lose()
		synctest.Wait()
		if err := s.stop(); !errors.Is(err, errNoDriver) || !strings.Contains(err.Error(), "everything passes") {
			t.Errorf("it ends with %v", err)
		}
		g.expect(t, false, 0)
	})
}

func TestAPlatformThatRefusesIsToldAndTheFirewallRunsOn(t *testing.T) {
	for _, step := range []string{"override", "apply"} {
		t.Run(step, func(t *testing.T) {
			w, g := closedWorld()
			g.refuse(step, errors.New("the service BFE does not run"))
			story(t, w, func(s *site) {
				s.noted("fail closed is not in force: the service BFE does not run")
				if steps := g.take(); steps[len(steps)-1] != step {
					t.Errorf("it went on with %q: rules without the engine's permit block what it allows", steps)
				}
				c := w.dial(w.start("a"), w.destination(0))
				s.wait(joinPatience)
				s.expect(c, "held")
				s.answer(firewall.Allow)
				s.expect(c, "open")

				g.refuse(step, nil)
				s.wait(retryRules)
				s.noted(wfp.NotShown)
				g.expect(t, true, withoutAny)
			})
		})
	}
}

func TestWhereNothingOutlivesTheEngineFailClosedIsNotPretended(t *testing.T) {
	story(t, newWorld(ipv4World), func(s *site) {
		s.noted("fail closed is not in force: " + errNoGuard.Error())
		s.open = true
		s.use(firewall.ModeAsk)
		s.noted("everything passes")
		s.open = false
		s.use(firewall.ModeAsk)
		s.noted("fail closed is not in force")
	})
}
