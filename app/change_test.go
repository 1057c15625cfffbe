package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/firewalltest"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// reluctant is a backend that refuses a policy, and looks around before.
type reluctant struct {
	*firewalltest.Memory
	applying func() error // nil: it does what it is told
}

func (r *reluctant) Apply(p firewall.Policy) error {
	if r.applying != nil {
		return r.applying()
	}
	return r.Memory.Apply(p)
}

// The engine may be killed before a rule is in force: whoever finds the rule
// then finds who made it, and when, with no journal running. That the rule is
// not in force is another line.
func TestARuleIsInTheLogBeforeItIsInForce(t *testing.T) {
	store, _, err := persistence.Open(filepath.Join(t.TempDir(), "data", databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b := &reluctant{Memory: firewalltest.NewMemory()}
	c, err := NewControl(store, b, firewall.ModeAsk)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.engine.Run(ctx) }()
	var found []ui.LogLine
	b.applying = func() error {
		if found, err = c.Log(t.Context(), ui.LogQuery{}); err != nil {
			t.Error(err)
		}
		return errors.New("the kernel is busy")
	}
	began := time.Now()
	_, err = c.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Block, Enabled: true})
	if err == nil || !strings.Contains(err.Error(), "could not be put into force: the kernel is busy") {
		t.Errorf("added: %v", err)
	}
	if len(found) != 1 || found[0].Note != "add rule: block /usr/bin/curl" || found[0].Time.Before(began) || found[0].Time.After(time.Now()) {
		t.Errorf("when the rule was to be in force, the log was %+v", found)
	}
	stop()
	if err := errors.Join(<-ended, c.journal.Run(ctx)); err != nil {
		t.Fatal(err)
	}
	lines, err := c.Log(t.Context(), ui.LogQuery{})
	if err != nil || len(lines) != 2 || !strings.Contains(lines[0].Note, "add rule: block /usr/bin/curl: the change is stored, but could not be put into force") {
		t.Errorf("in the end the log is %+v, %v", lines, err)
	}
}

// manyRules returns n rules, each of another program.
func manyRules(n int) []firewall.Rule {
	rules := make([]firewall.Rule, n)
	for i := range rules {
		rules[i] = firewall.Rule{Program: fmt.Sprintf("/opt/p%d/bin/x", i), Verdict: firewall.Block}
	}
	return rules
}

// withRules is a rig that has n rules beside the built-in ones.
func withRules(b *testing.B, n int) *rig {
	r := newRig(b, firewall.ModeAsk, onlyUs)
	r.changing.Lock()
	defer r.changing.Unlock()
	if _, err := r.update(b.Context(), persistence.Update{Put: append(firewall.BuiltinRules(), manyRules(n)...)}, "many rules"); err != nil {
		b.Fatal(err)
	}
	if _, err := r.store.Backup(); err != nil { // it would be made meanwhile
		b.Fatal(err)
	}
	return r
}

// What a change costs beside storing it must not grow with the rules there
// are: with 10,000 it is to take less than 0.5 ms.
func BenchmarkChangeInMemory(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := withRules(b, n)
			put := []firewall.Rule{{ID: "curl", Program: "/usr/bin/curl", Verdict: firewall.Allow}}
			b.ReportAllocs()
			for b.Loop() {
				st := *r.state.Load()
				if err := r.enforce(b.Context(), &st, put, nil, "put"); err != nil {
					b.Fatal(err)
				}
				st = *r.state.Load()
				if err := r.enforce(b.Context(), &st, nil, []firewall.RuleID{"curl"}, "remove"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*b.N), "µs/change")
		})
	}
}

// From the answer to the release of the flow, with the rule on disk. The median
// counts: the disk is not this program's alone.
func BenchmarkAnswer(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := withRules(b, n)
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				c := r.memory.Dial(attempt(fmt.Sprintf("/usr/bin/p%d", i), "192.0.2.1:443"))
				prompts := r.engine.Prompts()
				start := time.Now()
				if err := r.Answer(b.Context(), ui.Answer{ID: string(prompts[0].ID), Verdict: firewall.Allow}); err != nil {
					b.Fatal(err)
				}
				<-c.Decided()
				took = append(took, time.Since(start))
				c.Close()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/answer")
		})
	}
}
