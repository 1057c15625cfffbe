package firewalltest

import (
	"context"
	"sync"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// site is an engine and a backend at work in a conformance test. It is the
// engine's watcher.
type site struct {
	*testing.T
	ctx         context.Context
	driver      Driver
	backend     firewall.Backend
	engine      *firewall.Engine
	mode        firewall.Mode
	rules       firewall.Ruleset
	failOpen    bool // everything passes without an engine
	stopBackend func()

	mu      sync.Mutex
	entries []firewall.Entry
	asked   map[firewall.PromptID]bool
	changed chan struct{} // has an item when something changed
}

func newSite(t *testing.T, driver Driver) *site {
	s := &site{
		T: t, driver: driver, backend: driver.Backend(),
		asked: make(map[firewall.PromptID]bool), changed: make(chan struct{}, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = ctx
	s.rules = s.ruleset()
	s.engine = firewall.NewEngine(s.rules, s.mode, firewall.Options{Watcher: s})
	if err := s.backend.Apply(s.rules.Policy(s.mode, false)); err != nil {
		t.Fatal(err)
	}
	engineCtx, stopEngine := context.WithCancel(context.Background())
	backendCtx, stopBackend := context.WithCancel(context.Background())
	engineEnded, backendEnded := make(chan error, 1), make(chan error, 1)
	ready := make(chan struct{})
	go func() { engineEnded <- s.engine.Run(engineCtx) }()
	go func() { backendEnded <- s.backend.Run(backendCtx, s.engine, func() { close(ready) }) }()
	s.stopBackend = sync.OnceFunc(func() {
		stopBackend()
		select {
		case err := <-backendEnded:
			if err != nil {
				t.Errorf("the backend ended with: %v", err)
			}
		case <-time.After(soon):
			t.Error("the backend does not end")
		}
	})
	t.Cleanup(func() {
		s.stopBackend()
		stopEngine()
		<-engineEnded
	})
	t.Cleanup(cancel)
	select {
	case <-ready:
	case err := <-backendEnded:
		backendEnded <- nil
		t.Fatalf("the backend did not start: %v", err)
	case <-time.After(soon):
		t.Fatal("the backend is not ready")
	}
	return s
}

func (s *site) ruleset(rules ...firewall.Rule) firewall.Ruleset {
	rs, err := firewall.NewRuleset(append(rules, firewall.BuiltinRules()...)...)
	if err != nil {
		s.Fatal(err)
	}
	return rs
}

// rule returns a rule for everything that the program sends.
func (s *site) rule(program string, v firewall.Verdict) firewall.Rule {
	return firewall.Rule{ID: firewall.RuleID("rule-" + program), Program: s.driver.Program(program).ID(), Verdict: v}
}

// use puts the rules, and no others but the built-in ones, into force.
func (s *site) use(rules ...firewall.Rule) {
	s.Helper()
	s.rules = s.ruleset(rules...)
	s.engine.SetRules(s.rules)
	s.apply()
}

func (s *site) setMode(m firewall.Mode) {
	s.Helper()
	s.mode = m
	s.engine.SetMode(m)
	s.apply()
}

func (s *site) apply() {
	s.Helper()
	if err := s.backend.Apply(s.rules.Policy(s.mode, s.failOpen)); err != nil {
		s.Fatal(err)
	}
}

// prompt waits until a flow of the program waits for an answer.
func (s *site) prompt(program string) (found firewall.Prompt) {
	s.Helper()
	s.wait("no prompt for "+program, func() bool {
		for _, p := range s.engine.Prompts() {
			if p.Program == s.driver.Program(program) && p.Direction == firewall.Out && p.Waiting > 0 {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// answer decides a prompt, just this once.
func (s *site) answer(p firewall.Prompt, v firewall.Verdict) {
	s.Helper()
	if err := s.engine.Answer(firewall.Answer{Prompt: p.ID, Verdict: v}); err != nil {
		s.Fatal(err)
	}
}

// unasked checks that there was no prompt.
func (s *site) unasked() {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) > 0 {
		s.Errorf("%d prompts", len(s.asked))
	}
}

// logged waits until the log has n connections of the program that were
// decided so, or more: a program may try again by itself.
func (s *site) logged(program string, v firewall.Verdict, n int) {
	s.Helper()
	s.wait("not all is in the log", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		got := 0
		for _, e := range s.entries {
			if e.Program == s.driver.Program(program) && e.Verdict == v && e.Direction == firewall.Out {
				got += e.Count
			}
		}
		return got >= n
	})
}

// wait waits until the condition holds.
func (s *site) wait(what string, condition func() bool) {
	s.Helper()
	for late := time.After(soon); !condition(); {
		select {
		case <-s.changed:
		case <-late:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.Fatalf("%s; log: %+v", what, s.entries)
		}
	}
}

// Prompts is part of [firewall.Watcher].
func (s *site) Prompts(ps []firewall.Prompt) {
	s.mu.Lock()
	for _, p := range ps {
		s.asked[p.ID] = true
	}
	s.mu.Unlock()
	s.notify()
}

// Decided is part of [firewall.Watcher].
func (s *site) Decided(e firewall.Entry) {
	s.mu.Lock()
	s.entries = append(s.entries, e)
	s.mu.Unlock()
	s.notify()
}

func (s *site) notify() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
