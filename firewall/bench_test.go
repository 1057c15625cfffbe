package firewall_test

import (
	"context"
	"fmt"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// others returns an engine with n rules of other programs.
func others(b *testing.B, n int) *firewall.Engine {
	rules := []firewall.Rule{{ID: "curl", Program: "/usr/bin/curl", Verdict: firewall.Allow}}
	for i := range n {
		rules = append(rules, firewall.Rule{ID: firewall.RuleID(fmt.Sprint(i)), Program: fmt.Sprintf("/usr/bin/other-%d", i), Verdict: firewall.Block})
	}
	rs, err := firewall.NewRuleset(append(rules, firewall.BuiltinRules()...)...)
	if err != nil {
		b.Fatal(err)
	}
	e := firewall.NewEngine(rs, firewall.ModeAsk, firewall.Options{})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	b.Cleanup(func() { stop(); <-ended })
	return e
}

// The cost of a decision must be the same with 0, 10 and 10,000 rules of
// other programs.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{0, 10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, a := others(b, n), attempt("/usr/bin/curl", "1.1.1.1:443")
			b.ReportAllocs()
			for b.Loop() {
				e.Judge(a)
			}
		})
	}
}

func BenchmarkHold(b *testing.B) {
	for _, n := range []int{0, 10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, a := others(b, n), attempt("/usr/bin/curl", "1.1.1.1:443")
			released := make(chan firewall.Decision, 1)
			h := firewall.Held{Attempt: a, Release: func(d firewall.Decision) { released <- d }}
			b.ReportAllocs()
			for b.Loop() {
				e.Hold(h)
				<-released
			}
		})
	}
}

func BenchmarkNewRuleset(b *testing.B) {
	var rules []firewall.Rule
	for i := range 10_000 {
		rules = append(rules, firewall.Rule{ID: firewall.RuleID(fmt.Sprint(i)), Program: fmt.Sprintf("/usr/bin/other-%d", i)})
	}
	for b.Loop() {
		if _, err := firewall.NewRuleset(rules...); err != nil {
			b.Fatal(err)
		}
	}
}
