package app

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

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
