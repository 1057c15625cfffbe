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
	rules = append(rules, manyRules(n)...)
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

// A program with every name that a rule can call it by costs nothing more for
// the rules of others either, and no memory.
func BenchmarkJudgeService(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, a := others(b, n), attempt("/usr/bin/curl", "1.1.1.1:443")
			a.Program.Kind, a.Program.Service, a.Program.Signer, a.Program.Product = firewall.Hosted, "dns", "Acme", "A"
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
	rules := manyRules(10_000)
	for b.Loop() {
		if _, err := firewall.NewRuleset(rules...); err != nil {
			b.Fatal(err)
		}
	}
}

// One rule more, and one rule less, must not cost more because there are many
// rules of other programs.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rs, err := firewall.NewRuleset(append(manyRules(n), firewall.BuiltinRules()...)...)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				more, err := rs.Change([]firewall.Rule{{ID: "curl", Program: "/usr/bin/curl", Verdict: firewall.Allow}}, nil)
				if err != nil {
					b.Fatal(err)
				}
				if rs, err = more.Change(nil, []firewall.RuleID{"curl"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// manyRules returns n rules, each of another program.
func manyRules(n int) []firewall.Rule {
	rules := make([]firewall.Rule, n)
	for i := range rules {
		rules[i] = firewall.Rule{ID: firewall.RuleID(fmt.Sprint(i)), Program: fmt.Sprintf("/usr/bin/other-%d", i), Verdict: firewall.Block}
	}
	return rules
}
