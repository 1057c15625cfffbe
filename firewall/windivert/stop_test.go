package windivert

import (
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Under fail open nobody notices that the firewall was switched off: what was
// held goes on its way, unchanged, and the log says why.
func TestWhatIsHeldWhenTheFirewallIsSwitchedOffGoesOn(t *testing.T) {
	for _, local := range []string{ipv4World, ipv6World} {
		w := newWorld(local)
		w.orderly = true
		story(t, w, func(s *site) {
			s.open = true
			s.use(firewall.ModeAsk)
			c := w.dial(w.start("a"), w.destination(0))
			d := w.sendTo("b", w.destination(1).String(), "question")
			s.wait(10 * time.Millisecond)
			s.expect(c, "held")
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			s.expect(c, "open")
			if c.syns != 1 || c.refusals() != 0 {
				t.Errorf("it took %d segments, %d were refused", c.syns, c.refusals())
			}
			if left := w.arrived; len(left) != 1 || string(left[0].bytes) != string(udp(d.flow, []byte("question"))) {
				t.Errorf("%d datagrams left", len(left))
			}
			if ps := s.engine.Prompts(); len(ps) != 0 {
				t.Errorf("there is still a question: %+v", ps)
			}
			e := s.log(firewall.HandedBack)
			if len(e) != 2 || e[0].Verdict != firewall.Allow || e[1].Verdict != firewall.Allow {
				t.Errorf("log: %+v", e)
			}
			if blocked := s.log(firewall.Stopping); len(blocked) != 0 {
				t.Errorf("log: %+v", blocked)
			}
		})
	}
}

// What the driver still has for the engine is read, and sent on or refused as
// rules want it.
func TestWhatTheDriverStillHasAtTheStopGoesOn(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		s.open = true
		s.use(firewall.ModeAsk, rule("b", firewall.Block))
		blocked := w.sendTo("b", "192.0.2.2:5000", "1")
		s.wait(10 * time.Millisecond)
		pid, late := w.start("a"), 0
		w.driver.handle(filterPackets).whileFull(func() {
			for range 100 {
				c := w.socket(pid, firewall.UDP, addrPort("192.0.2.1:5000"))
				c.tell()
				w.leave(udp(c.flow, nil))
				late++
			}
			w.leave(udp(blocked.flow, nil))
			w.leave(fragmented(flowTo(firewall.UDP, 50000, "192.0.2.1:5001"), make([]byte, 100), 1, 48)[1])
		}, func() {
			go s.end(nil)
			synctest.Wait()
		})
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if w.left() != late+1 || len(w.refused) != 2 {
			t.Errorf("%d datagrams left, want %d; %d were refused, want 2", w.left(), late+1, len(w.refused))
		}
		n := 0
		for _, e := range s.log(firewall.HandedBack) {
			n += e.Count
		}
		if n != late+1 {
			t.Errorf("the log has %d, want %d", n, late+1)
		}
	})
}

// The next engine asks about the next try.
func TestWhatIsHeldForTheNextEngineDoesNotPass(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		s.open = true
		s.use(firewall.ModeAsk)
		w.sendTo("a", "192.0.2.1:5000", "1")
		s.wait(10 * time.Millisecond)
		if err := s.end(firewall.ErrHandOver); err != nil {
			t.Error(err)
		}
		if w.left() != 0 || len(w.refused) != 1 || len(s.log(firewall.HandedBack)) != 0 {
			t.Errorf("%d datagrams left, %d were refused; log: %+v", w.left(), len(w.refused), s.entries)
		}
	})
}

// A lock sends nothing, nor does fail closed; the mode off refuses nothing.
func TestWhatWaitsAtTheStopIsDecidedByTheMode(t *testing.T) {
	for _, test := range []struct {
		policy firewall.Policy
		want   firewall.Decision
	}{
		{firewall.Policy{Mode: firewall.ModeLock, FailOpen: true}, firewall.Decision{Reason: firewall.ByMode}},
		{firewall.Policy{Mode: firewall.ModeLock}, firewall.Decision{Reason: firewall.ByMode}},
		{firewall.Policy{Mode: firewall.ModeOff, FailOpen: true}, firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByMode}},
		{firewall.Policy{Mode: firewall.ModeOff}, firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByMode}},
		{firewall.Policy{FailOpen: true}, firewall.Decision{Verdict: firewall.Allow, Reason: firewall.HandedBack}},
		{firewall.Policy{}, firewall.Decision{Reason: firewall.Stopping}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, sink := newWorld(ipv4World), &collector{}
			w.mute = true
			b := begin(t, w, sink, Limits{})
			if err := b.Apply(test.policy); err != nil {
				t.Fatal(err)
			}
			w.sendTo("a", "192.0.2.1:5000", "1") // nobody knows yet whose it is
			synctest.Wait()
			if err := b.stop(); err != nil {
				t.Error(err)
			}
			want := 0
			if test.want.Verdict == firewall.Allow {
				want = 1
			}
			if w.left() != want || len(sink.entries) != 1 || sink.entries[0].Decision != test.want {
				t.Errorf("%+v: %d datagrams left, log: %+v", test.policy, w.left(), sink.entries)
			}
			if handed := sink.handed; handed != test.policy.FailOpen {
				t.Errorf("%+v: the sink was told so: %v", test.policy, handed)
			}
		})
	}
}

// The driver was lost first: nothing can be sent on.
func TestALostDriverHandsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(ipv4World), &collector{}
		b := begin(t, w, sink, Limits{})
		if err := b.Apply(firewall.Policy{FailOpen: true}); err != nil {
			t.Fatal(err)
		}
		w.dial(w.start("a"), w.destination(0))
		<-time.After(10 * time.Millisecond)
		synctest.Wait()
		w.driver.handle(filterPackets).lose()
		<-b.ended
		b.ended <- nil
		if sink.handed {
			t.Error("the sink was told that packets were sent on")
		}
	})
}
