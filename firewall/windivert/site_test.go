package windivert

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
)

// site is a world with an engine and a backend at work, in a bubble of time.
type site struct {
	*testing.T
	world   *world
	backend *Backend
	engine  *firewall.Engine
	prover  *identity.Prover
	rules   firewall.Ruleset
	open    bool              // everything passes without an engine
	end     func(error) error // ends the backend for a cause

	mu      sync.Mutex
	entries []firewall.Entry
	carried []firewall.Identity // programs in whose place another version is
}

// story runs a test on a site, in a bubble of time.
func story(t *testing.T, w *world, tell func(*site), rules ...firewall.Rule) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{T: t, world: w, backend: newBackend(Config{}, w.driver, w)}
		s.backend.guard = w.guard
		s.set(rules...)
		s.prove(t)
		s.engine = firewall.NewEngine(s.rules, firewall.ModeAsk, firewall.Options{Watcher: s, MaxWaiting: 20000, MaxPerPrompt: 20000})
		engineCtx, stopEngine := context.WithCancel(context.Background())
		engineEnded := make(chan error, 1)
		go func() { engineEnded <- s.engine.Run(engineCtx) }()
		s.start()
		t.Cleanup(func() {
			s.stop()
			stopEngine()
			<-engineEnded
			w.closeAll()
			if n := w.driver.count(); n != 0 {
				t.Errorf("%d handles are left open", n)
			}
		})
		synctest.Wait()
		tell(s)
	})
}

// start starts the backend.
func (s *site) start() {
	ctx, cancel := context.WithCancelCause(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	if err := s.apply(firewall.ModeAsk); err != nil {
		s.Fatal(err)
	}
	go func() { ended <- s.backend.Run(ctx, s.engine, func() { close(ready) }) }()
	s.end = func(cause error) error {
		cancel(cause)
		err := <-ended
		ended <- err
		return err
	}
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
	}
}

// stop stops the backend.
func (s *site) stop() error { return s.end(nil) }

func (s *site) set(rules ...firewall.Rule) {
	rs, err := firewall.NewRuleset(append(rules, firewall.BuiltinRules()...)...)
	if err != nil {
		s.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rs
}

// use puts rules, and the built-in ones, into force.
func (s *site) use(m firewall.Mode, rules ...firewall.Rule) {
	s.Helper()
	s.set(rules...)
	s.engine.SetRules(s.rules)
	s.engine.SetMode(m)
	if err := s.apply(m); err != nil {
		s.Fatal(err)
	}
	synctest.Wait()
}

func rule(name string, v firewall.Verdict) firewall.Rule {
	return firewall.Rule{ID: firewall.RuleID("rule-" + name), Program: program(name).ID(), Verdict: v}
}

// wait lets time pass.
func (s *site) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// answer decides the one open prompt, just this once.
func (s *site) answer(v firewall.Verdict) {
	s.Helper()
	s.wait(10 * time.Millisecond)
	ps := s.engine.Prompts()
	if len(ps) != 1 {
		s.Fatalf("%d prompts, want 1: %+v", len(ps), ps)
	}
	if err := s.engine.Answer(firewall.Answer{Prompt: ps[0].ID, Verdict: v}); err != nil {
		s.Fatal(err)
	}
	synctest.Wait()
}

// Prompts is part of [firewall.Watcher], as Decided.
func (s *site) Prompts([]firewall.Prompt) {}

func (s *site) Decided(e firewall.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
}

// log returns the lines with a reason, after all are told.
func (s *site) log(why firewall.Reason) []firewall.Entry {
	s.wait(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.entries), func(e firewall.Entry) bool { return e.Reason != why })
}

// state says what became of a connection.
func (s *socket) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		if s.open {
			return "cut"
		}
		return "refused"
	default:
	}
	if s.open {
		return "open"
	}
	return "held"
}

func (s *site) expect(c *socket, state string) {
	s.Helper()
	synctest.Wait()
	if got := c.state(); got != state {
		s.Fatalf("the connection is %s, want %s; log: %+v", got, state, s.entries)
	}
}

// closeAll ends all programs.
func (w *world) closeAll() {
	w.mu.Lock()
	var all []*socket
	for _, s := range w.sockets {
		all = append(all, s)
	}
	w.mu.Unlock()
	for _, s := range all {
		s.close()
	}
}

// sendTo sends a datagram from a new socket of a program.
func (w *world) sendTo(name string, remote string, payload string) *socket {
	s := w.socket(w.start(name), firewall.UDP, addrPort(remote))
	s.connect(func() { w.leave(udp(s.flow, []byte(payload))) })
	return s
}
