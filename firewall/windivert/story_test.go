package windivert

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestASegmentSentAgainJoinsItsFlow(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.wait(2 * time.Second)
		s.expect(c, "held")
		if c.syns < 3 {
			s.Fatalf("%d segments were sent", c.syns)
		}
		if ps := s.engine.Prompts(); len(ps) != 1 || ps[0].Waiting != 1 {
			s.Fatalf("prompts: %+v", ps)
		}
		s.answer(firewall.Allow)
		s.expect(c, "open")
		if asked, allowed := len(s.log(firewall.Asked)), len(s.log(firewall.ByAnswer)); asked != 1 || allowed != 1 {
			s.Errorf("asked %d times, allowed %d times", asked, allowed)
		}
	})
}

func TestAHeldConnectionThatIsBlockedFailsEachTimeItIsTried(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.answer(firewall.Block)
		s.wait(time.Second)
		s.expect(c, "refused")
		if c.refusals() != 3 {
			s.Errorf("%d resets, want 3", c.refusals())
		}
		if n := len(s.log(firewall.Asked)); n != 1 {
			s.Errorf("asked %d times", n)
		}
	})
}

// Silence blocks, and the segment that is sent again after it is not asked
// about again.
func TestSilenceRefusesAConnection(t *testing.T) {
	w := newWorld(ipv6World)
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.wait(31 * time.Second)
		s.expect(c, "refused")
		if asked, n := len(s.log(firewall.Asked)), len(s.log(firewall.Unanswered)); asked != 1 || n != 1 {
			s.Errorf("asked %d times, unanswered %d times", asked, n)
		}
	})
}

func TestAKilledProgramWaitsForNoAnswer(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.wait(time.Second)
		c.close()
		synctest.Wait()
		if n := len(s.log(firewall.Gone)); n != 1 {
			s.Errorf("gone %d times", n)
		}
		for _, p := range s.engine.Prompts() {
			if p.Waiting != 0 {
				s.Errorf("still waits: %+v", p)
			}
		}
	})
}

// The driver's events may not come at all: then the system's tables tell.
func TestAPacketWithoutAnEventIsLookedUp(t *testing.T) {
	w := newWorld(ipv4World)
	w.mute = true
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.wait(joinPatience - time.Millisecond)
		s.expect(c, "held")
		s.wait(2 * time.Millisecond)
		s.expect(c, "open")
	}, rule("a", firewall.Allow))
}

func TestAPacketOfNobodyBelongsToAnUnidentifiedProgram(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		f := flowTo(firewall.UDP, 50000, "192.0.2.1:5000")
		w.leave(udp(f, nil))
		s.wait(joinPatience - time.Millisecond)
		if n := len(s.engine.Prompts()); n != 0 {
			s.Fatalf("%d prompts, too early", n)
		}
		s.wait(2 * time.Millisecond)
		ps := s.engine.Prompts()
		if len(ps) != 1 || ps[0].Program.Kind != firewall.Unidentified || ps[0].Program.File != "udp 10.0.0.2:50000" {
			s.Fatalf("prompts: %+v", ps)
		}
		always := firewall.RuleID("always")
		if err := s.engine.Answer(firewall.Answer{Prompt: ps[0].ID, Verdict: firewall.Allow, Rule: &always}); !errors.Is(err, firewall.ErrUnidentified) {
			s.Errorf("answered for ever: %v", err)
		}
		s.answer(firewall.Allow)
		if w.left() != 1 {
			s.Errorf("%d datagrams left", w.left())
		}
	}, firewall.Rule{ID: "any", Program: firewall.AnyProgram, Port: 5000, Verdict: firewall.Allow})
}

// A process that started after the event is another one with the same number.
func TestAReusedProcessNumberIsNotTheProgram(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		pid := w.start("a")
		w.mu.Lock()
		w.processes[pid] = runningProcess{program: program("a"), started: time.Now().Add(time.Second)}
		w.mu.Unlock()
		c := w.dial(pid, w.destination(0))
		s.wait(50 * time.Millisecond)
		s.expect(c, "held")
		if ps := s.engine.Prompts(); len(ps) != 1 || ps[0].Program.Kind != firewall.Unidentified {
			s.Fatalf("prompts: %+v", ps)
		}
	}, rule("a", firewall.Allow))
}

func TestOldConnectionsAreLoggedLeftAloneAndCutByARule(t *testing.T) {
	for _, local := range []string{ipv4World, ipv6World} {
		w := newWorld(local)
		story(t, w, func(s *site) {
			s.stop()
			c, other := w.dial(w.start("a"), w.destination(0)), w.dial(w.start("b"), w.destination(1))
			s.expect(c, "open")
			s.start()
			synctest.Wait()
			if n := len(s.log(firewall.Existing)); n != 2 {
				s.Fatalf("%d existing connections in the log", n)
			}
			s.expect(c, "open")
			s.use(firewall.ModeAsk, rule("a", firewall.Block))
			s.expect(c, "cut")
			s.expect(other, "open")
			s.stop()
			s.start()
			s.expect(other, "open")
		})
	}
}

func TestALockFreezesConnectionsAndRefusesNewOnes(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.wait(10 * time.Millisecond)
		s.expect(c, "open")
		s.use(firewall.ModeLock, rule("a", firewall.Allow))
		if w.driver.handle(filterLock) == nil {
			s.Fatal("the driver does not drop")
		}
		late := w.dial(w.start("a"), w.destination(0))
		s.wait(time.Second)
		s.expect(late, "refused")
		s.expect(c, "open")
		s.use(firewall.ModeAsk, rule("a", firewall.Allow))
		if w.driver.handle(filterLock) != nil {
			s.Fatal("the driver still drops")
		}
		s.expect(c, "open")
	}, rule("a", firewall.Allow))
}

func TestAttemptsWithinASecondAreOneLine(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		pid := w.start("a")
		for range 100 {
			w.dial(pid, w.destination(0))
		}
		lines, count := s.log(firewall.ByRule), 0
		for _, l := range lines {
			count += l.Count
		}
		if count != 100 || len(lines) > 2 {
			s.Errorf("%d lines that count %d", len(lines), count)
		}
	}, rule("a", firewall.Allow))
}

func TestAChangeOfRulesCountsForFlowsThatWereDecided(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		c := w.sendTo("a", "192.0.2.1:5000", "1")
		s.wait(10 * time.Millisecond)
		for _, v := range []firewall.Verdict{firewall.Block, firewall.Allow} {
			s.use(firewall.ModeAsk, rule("a", v))
			w.leave(udp(c.flow, nil))
			s.wait(10 * time.Millisecond)
		}
		if w.left() != 2 || len(w.refused) != 1 {
			s.Errorf("%d datagrams left, %d were refused", w.left(), len(w.refused))
		}
	}, rule("a", firewall.Allow))
}

// A connection that a new rule refuses was never open: it is not cut as well.
func TestARuleThatRefusesAHeldConnectionIsOneLine(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		c := w.dial(w.start("a"), w.destination(0))
		s.wait(10 * time.Millisecond)
		s.use(firewall.ModeAsk, rule("a", firewall.Block))
		if c.refusals() == 0 {
			s.Error("it was cut")
		}
		s.wait(time.Second)
		s.expect(c, "refused")
		if e := s.log(firewall.ByRule); len(e) != 1 || e[0].Count != 1 {
			s.Errorf("log: %+v", e)
		}
	})
}

func TestAFlowIsJudgedAnewWhenItsRemoteHasAnotherName(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	good := rule("a", firewall.Allow)
	good.Host = "good.test"
	story(t, w, func(s *site) {
		remote := netip.AddrPortFrom(w.destination(0).Addr(), 5000)
		var c *socket
		for _, host := range []string{"good.test", "other.test"} {
			w.mu.Lock()
			w.hosts = map[string]netip.Addr{host + ".": remote.Addr()}
			w.mu.Unlock()
			if err := w.ask(host, s.Context().Done()); err != nil {
				s.Fatal(err)
			}
			if c == nil {
				c = w.sendTo("a", remote.String(), "1")
			} else {
				w.leave(udp(c.flow, nil))
			}
			s.wait(10 * time.Millisecond)
		}
		if ps := s.engine.Prompts(); len(ps) != 1 || ps[0].First.Host != "other.test" {
			s.Errorf("prompts: %+v", ps)
		}
		if w.left() != 3 { // with two questions
			s.Errorf("%d datagrams left", w.left())
		}
	}, good)
}

// The network changed: its resolver counts, and names are known, from the first
// question on.
func TestANewResolverCountsFromItsFirstPacketOn(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		w.mu.Lock()
		w.resolver = addrPort("10.9.9.9:53")
		w.hosts["good.test."] = w.destination(0).Addr()
		w.mu.Unlock()
		if err := w.ask("good.test", s.Context().Done()); err != nil {
			s.Fatal(err)
		}
		w.dial(w.start("a"), w.destination(0))
		s.wait(10 * time.Millisecond)
		if ps := s.engine.Prompts(); len(ps) != 1 || ps[0].First.Host != "good.test" {
			s.Errorf("prompts: %+v", ps)
		}
	})
}
