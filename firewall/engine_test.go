package firewall_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func attempt(path, remote string) firewall.Attempt {
	return firewall.Attempt{
		Flow: firewall.Flow{
			Protocol: firewall.TCP,
			Local:    netip.MustParseAddrPort("192.0.2.1:40000"),
			Remote:   netip.MustParseAddrPort(remote),
		},
		Program: firewall.Program{Kind: firewall.Executable, Path: path},
		PID:     1,
	}
}

func TestAHeldFlowIsReleasedByTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeAsk, firewall.Options{})
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		var got []firewall.Decision
		e.Hold(firewall.Held{Attempt: attempt("/usr/bin/curl", "1.1.1.1:443"), Release: func(d firewall.Decision) { got = append(got, d) }})
		ps := e.Prompts()
		if len(ps) != 1 || ps[0].Waiting != 1 {
			t.Fatalf("prompts: %+v", ps)
		}
		time.Sleep(29 * time.Second)
		if err := e.Answer(firewall.Answer{Prompt: ps[0].ID, Verdict: firewall.Allow}); err != nil {
			t.Fatal(err)
		}
		stop()
		synctest.Wait()
		if len(got) != 1 || got[0].Verdict != firewall.Allow || got[0].Reason != firewall.ByAnswer {
			t.Fatalf("released with %+v", got)
		}
	})
}

func TestAStoppedEngineBlocksWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeOff, firewall.Options{})
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		a := attempt("/usr/bin/curl", "1.1.1.1:443")
		if d, ok := e.Judge(a); !ok || d.Verdict != firewall.Allow {
			t.Errorf("off: %+v, %v", d, ok)
		}
		stop()
		synctest.Wait()
		want := firewall.Decision{Verdict: firewall.Block, Reason: firewall.Stopping}
		if d, ok := e.Judge(a); !ok || d != want {
			t.Errorf("judged %+v, %v", d, ok)
		}
		e.Hold(firewall.Held{Attempt: a, Release: func(d firewall.Decision) {
			if d != want {
				t.Errorf("released with %+v", d)
			}
		}})
		if err := e.Answer(firewall.Answer{}); err != firewall.ErrStopped {
			t.Errorf("answer: %v", err)
		}
		if ps := e.Prompts(); len(ps) != 0 {
			t.Errorf("prompts: %+v", ps)
		}
		e.SetRules(firewall.Ruleset{})
		if d, _ := e.Judge(a); d != want {
			t.Errorf("after new rules it judges %+v", d)
		}
	})
}

func TestWhatABackendHandsBackIsAllowedAndWhatComesLaterIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &shown{}
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeAsk, firewall.Options{Watcher: w})
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		var got []firewall.Decision
		hold := func(remote string) {
			e.Hold(firewall.Held{Attempt: attempt("/usr/bin/curl", remote), Release: func(d firewall.Decision) { got = append(got, d) }})
		}
		hold("1.1.1.1:443")
		hold("1.1.1.1:80")
		e.HandBack()
		want := firewall.Decision{Verdict: firewall.Allow, Reason: firewall.HandedBack}
		if len(got) != 2 || got[0] != want || got[1] != want || w.entries != 4 || len(e.Prompts()) != 0 {
			t.Errorf("released %+v, %d entries, prompts %+v", got, w.entries, e.Prompts())
		}
		hold("1.1.1.1:443")
		if len(got) != 2 || len(e.Prompts()) != 1 {
			t.Errorf("released %+v, prompts %+v", got, e.Prompts())
		}
		stop()
		synctest.Wait()
		e.HandBack() // too late
		if len(got) != 3 || got[2] != (firewall.Decision{Reason: firewall.Stopping}) {
			t.Errorf("released %+v", got)
		}
	})
}

func TestAnAnswerAllowsOrBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeAsk, firewall.Options{})
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		e.Hold(firewall.Held{Attempt: attempt("/usr/bin/curl", "1.1.1.1:443"), Release: func(firewall.Decision) {}})
		err := e.Answer(firewall.Answer{Prompt: e.Prompts()[0].ID, Verdict: firewall.Ask})
		if err != firewall.ErrNoAnswer || len(e.Prompts()) != 1 {
			t.Errorf("answered ask: %v, %d prompts", err, len(e.Prompts()))
		}
		e.Lost(2)
		e.Lost(3)
		if n := e.LostEvents(); n != 5 {
			t.Errorf("%d events lost", n)
		}
		stop()
		synctest.Wait()
	})
}

// shown counts what a watcher is shown.
type shown struct{ times, last, entries int }

func (s *shown) Prompts(ps []firewall.Prompt) { s.times++; s.last = len(ps) }
func (s *shown) Decided(firewall.Entry)       { s.entries++ }

func TestABurstOfQuestionsIsShownAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &shown{}
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeAsk, firewall.Options{Watcher: w})
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		for i := range 500 {
			a := attempt("/usr/bin/curl", "1.1.1.1:443")
			a.Program.Path += string(rune('a' + i))
			e.Hold(firewall.Held{Attempt: a, Release: func(firewall.Decision) {}})
			if i == 0 {
				synctest.Wait()
				if w.times != 1 || w.last != 1 {
					t.Errorf("the first question: shown %d times, %d prompts", w.times, w.last)
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if w.times > 5 || w.last != 500 || w.entries != 500 {
			t.Errorf("shown %d times, at last %d prompts, %d entries", w.times, w.last, w.entries)
		}
		stop()
		synctest.Wait()
		if w.last != 0 || w.entries != 1000 {
			t.Errorf("after the stop %d prompts, %d entries", w.last, w.entries)
		}
	})
}

func TestPromptIDsAreNotUsedTwice(t *testing.T) {
	seen := make(map[firewall.PromptID]bool)
	for range 3 {
		e := firewall.NewEngine(firewall.Ruleset{}, firewall.ModeAsk, firewall.Options{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		e.Hold(firewall.Held{Attempt: attempt("/usr/bin/curl", "1.1.1.1:443"), Release: func(firewall.Decision) {}})
		id := e.Prompts()[0].ID
		if seen[id] || len(id) > 16 {
			t.Errorf("prompt id %q is not new or not short", id)
		}
		seen[id] = true
		stop()
		<-ended
	}
}
