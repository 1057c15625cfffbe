package netfilter_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// guard is a running engine process and the person in front of it.
type guard struct {
	*child[event]
	w     *world
	setup setup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when anything below changes
	ready   bool
	prompts []firewall.Prompt
	entries []firewall.Entry
	heard   []time.Time                  // when each entry was read
	kept    map[string]firewall.Identity // by program
	carried []firewall.Identity
	done    []event
}

// guard starts an engine and waits until it filters.
func (w *world) guard(s setup) *guard {
	w.t.Helper()
	g := w.starting(s)
	g.await("the firewall to filter", func() bool { return g.ready })
	return g
}

// starting starts an engine.
func (w *world) starting(s setup) *guard {
	w.t.Helper()
	if s.Cgroup == "" {
		s.Cgroup = w.cgroup
	}
	text, err := json.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.outside(self)
	file := filepath.Join(w.t.TempDir(), "setup")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	c.Env = append(os.Environ(), roleVariable+"=engine", setupVariable+"="+file)
	g := &guard{w: w, setup: s, changed: make(chan struct{})}
	g.child = startChild(w.t, c, g.hear)
	return g
}

func (g *guard) hear(e event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e.Kind {
	case "ready":
		g.ready = true
	case "prompts":
		g.prompts = e.Prompts
	case "entry":
		g.entries = append(g.entries, *e.Entry)
		g.heard = append(g.heard, time.Now())
	case "kept":
		if g.kept == nil {
			g.kept = make(map[string]firewall.Identity)
		}
		g.kept[e.Identity.Program] = *e.Identity
	case "carried":
		g.carried = append(g.carried, *e.Identity)
	case "done":
		g.done = append(g.done, e)
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// await waits until the condition, called with the lock held, is true.
func (g *guard) await(what string, condition func() bool) {
	g.w.t.Helper()
	for end := time.After(deadline); ; {
		g.mu.Lock()
		ok, changed := condition(), g.changed
		g.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-g.ended:
			g.w.t.Fatalf("the engine ended while the test waited for %s: %v\n%s", what, g.err, g.noise.String())
		case <-end:
			g.mu.Lock()
			state := fmt.Sprintf("%d prompts, the last %+v; %d entries, the last %+v", len(g.prompts), last(g.prompts), len(g.entries), last(g.entries))
			g.mu.Unlock()
			g.w.t.Fatalf("waited %v for %s; %s\n%s", deadline, what, state, g.noise.String())
		}
	}
}

// last is what list ends with, at most a few.
func last[T any](list []T) []T { return list[max(0, len(list)-5):] }

// at has the rest of a subtest fail by itself.
func (w *world) at(t *testing.T, g *guard) *world {
	here := *w
	here.t = t
	if g != nil {
		g.w = &here
	}
	return &here
}

// order gives an order without waiting for it to be obeyed.
func (g *guard) order(r request) {
	g.w.t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		g.w.t.Fatal(err)
	}
	g.send(g.w.t, string(text))
}

// tell gives an order and returns when it began to be obeyed.
func (g *guard) tell(r request) event {
	g.w.t.Helper()
	g.order(r)
	var e event
	g.await("the engine to obey "+r.Do, func() bool {
		if len(g.done) == 0 {
			return false
		}
		e, g.done = g.done[0], g.done[1:]
		return true
	})
	if e.Error != "" {
		g.w.t.Fatalf("%s: %s", r.Do, e.Error)
	}
	return e
}

// asked waits for the question about a program.
func (g *guard) asked(path string) (p firewall.Prompt) {
	g.w.t.Helper()
	g.await("a question about "+path, func() bool {
		for _, p = range g.prompts {
			if p.Program.Path == path {
				return true
			}
		}
		return false
	})
	return p
}

// unasked fails if a question is open.
func (g *guard) unasked(t *testing.T) {
	t.Helper()
	for _, p := range g.tell(request{Do: "stats"}).Prompts {
		t.Errorf("a question about %v is open: %v", p.Program, p.First.Flow)
	}
}

// once answers for what waits now, remember for ever; both return the moment.
func (g *guard) once(p firewall.Prompt, v firewall.Verdict) time.Time {
	g.w.t.Helper()
	return g.tell(request{Do: "answer", Answer: firewall.Answer{Prompt: p.ID, Verdict: v}}).At
}

func (g *guard) remember(p firewall.Prompt, v firewall.Verdict) time.Time {
	g.w.t.Helper()
	rule := g.rule(p.Program.ID(), v)
	return g.tell(request{Do: "answer", Rules: g.setup.Rules, Answer: firewall.Answer{Prompt: p.ID, Verdict: v, Rule: &rule}}).At
}

// rule adds or changes the rule for a program; the caller puts it into force.
func (g *guard) rule(program string, v firewall.Verdict) firewall.RuleID {
	for i, r := range g.setup.Rules {
		if r.Program == program && r.Direction == firewall.Out {
			g.setup.Rules = slices.Clone(g.setup.Rules)
			g.setup.Rules[i].Verdict = v
			return r.ID
		}
	}
	id := firewall.RuleID("test-" + strconv.Itoa(len(g.setup.Rules)))
	g.setup.Rules = append(slices.Clone(g.setup.Rules), firewall.Rule{ID: id, Program: program, Verdict: v, Created: time.Now()})
	return id
}

// decide puts a rule for a program into force.
func (g *guard) decide(program string, v firewall.Verdict) time.Time {
	g.w.t.Helper()
	g.rule(program, v)
	return g.tell(request{Do: "rules", Rules: g.setup.Rules}).At
}

// stop ends the engine as the system does; handOver as a restart does; kill as
// a crash would.
func (g *guard) stop() {
	g.w.t.Helper()
	g.ends(syscall.SIGTERM)
}

func (g *guard) handOver() {
	g.w.t.Helper()
	g.ends(syscall.SIGUSR1)
}

func (g *guard) ends(s os.Signal) {
	g.w.t.Helper()
	g.cmd.Process.Signal(s)
	g.wait(g.w.t)
	if g.err != nil {
		g.w.t.Fatalf("the engine ended with %v\n%s", g.err, g.noise.String())
	}
}

func (g *guard) kill() {
	g.w.t.Helper()
	g.cmd.Process.Kill()
	g.wait(g.w.t)
}
