package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// whatIf is what a proposal would have changed, a line for each effect.
func (r *rig) whatIf(t testing.TB, p ui.Proposal) string {
	t.Helper()
	r.log(t, ui.LogQuery{Limit: 1}) // how often rules were used is written with the log
	before := r.everything(t)
	f, err := r.WhatIf(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Complete || r.everything(t) != before {
		t.Errorf("complete: %v, and something was changed", f.Complete)
	}
	var said []string
	for _, e := range f.Effects {
		said = append(said, e.Sentence())
	}
	return strings.Join(said, "\n")
}

// Before a change is made it is said what it would have changed; nothing is.
func TestAProposalIsHeldAgainstTheLog(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	rule, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/firefox", Verdict: firewall.Allow, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"192.0.2.1:443", "192.0.2.1:443", "192.0.2.2:80"} {
		r.decided(t, r.memory.Dial(attempt("/usr/bin/firefox", to)), firewall.Allow, firewall.ByRule)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/nc", "192.0.2.9:443")), firewall.Allow, firewall.ByMode)
	check := func(p ui.Proposal, want ...string) {
		t.Helper()
		if said := r.whatIf(t, p); said != strings.Join(want, "\n") {
			t.Errorf("%+v: it is said\n%s\nwant\n%s", p, said, strings.Join(want, "\n"))
		}
	}
	const both = "firefox → 3 connections to 2 hosts would be blocked, which were allowed (192.0.2.2, 192.0.2.1)"
	lock, ask, block, learn := firewall.ModeLock, firewall.ModeAsk, firewall.ModeBlock, firewall.ModeLearn
	passes := rule
	passes.PassLock = true
	blocks := rule
	blocks.Verdict = firewall.Block
	check(ui.Proposal{Put: []ui.Rule{blocks}}, both)
	check(ui.Proposal{Put: []ui.Rule{{Program: "*", Port: 443, Verdict: firewall.Block, Enabled: true, Until: "1h"}}},
		"nc → 1 connection to 1 host would be blocked, which was allowed (192.0.2.9)")
	check(ui.Proposal{Mode: &lock}, both, "nc → 1 connection to 1 host would be blocked, which was allowed (192.0.2.9)")
	check(ui.Proposal{Mode: &lock, Put: []ui.Rule{passes}}, "nc → 1 connection to 1 host would be blocked, which was allowed (192.0.2.9)")
	check(ui.Proposal{Mode: &learn})
	check(ui.Proposal{Put: []ui.Rule{{Program: "*", Port: 440, PortTo: 449, Verdict: firewall.Block, Enabled: true, Until: "restart"}}},
		"nc → 1 connection to 1 host would be blocked, which was allowed (192.0.2.9)")
	check(ui.Proposal{Mode: &ask}) // programs seen are proposed first
	check(ui.Proposal{Mode: &block}, "nc → 1 connection to 1 host would be blocked, which was allowed (192.0.2.9)")
	check(ui.Proposal{Mode: &block, Remove: []string{rule.ID}}, both, "nc → 1 connection to 1 host would be blocked, which was allowed (192.0.2.9)")
	check(ui.Proposal{Import: []byte("sallyport = 1\nmode = \"block\"\n[[rule]]\nprogram = \"/usr/bin/nc\"\nverdict = \"allow\"\n"), Replace: true}, both)
	if err := r.SetMode(t.Context(), block); err != nil {
		t.Fatal(err)
	}
	check(ui.Proposal{Undo: r.last(t).ID}, "nc → 1 connection to 1 host would be allowed, which was blocked (192.0.2.9)")

	for _, p := range []ui.Proposal{
		{Put: []ui.Rule{{Program: "no path", Verdict: firewall.Block, Enabled: true}}}, {Import: []byte("no document")},
	} {
		if _, err := r.WhatIf(t.Context(), p); !errors.Is(err, ui.ErrInvalid) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []ui.Proposal{{Remove: []string{"r9"}}, {Put: []ui.Rule{{ID: "r9", Program: "*"}}}, {Undo: "99"}} {
		if _, err := r.WhatIf(t.Context(), p); !errors.Is(err, ui.ErrNotFound) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// Who looks too long says how far it got; that is no error.
func TestAForecastEndsInTime(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	for range 3000 {
		r.journal.Append(firewall.Entry{Attempt: attempt("/usr/bin/nc", "192.0.2.9:443"), Decision: firewall.Decision{Verdict: firewall.Allow}, Count: 1})
	}
	lock := firewall.ModeLock
	f, err := r.forecast(t.Context(), ui.Proposal{Mode: &lock}, 0)
	if err != nil || f.Complete || f.Connections >= 3000 || !strings.Contains(f.Sentences()[0], "there was no time") {
		t.Errorf("%+v, %v", f, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.WhatIf(ended, ui.Proposal{Mode: &lock}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A log of 100,000 lines is looked at in well under the time that a person
// waits, with 1000 rules.
func BenchmarkWhatIf(b *testing.B) {
	r := withRules(b, 1000)
	now := time.Now()
	for i := range 100_000 {
		a := attempt(fmt.Sprintf("/opt/p%d/bin/x", rand.IntN(1500)), "192.0.2.1:443")
		a.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 443)
		a.Time, a.Host = now.Add(-time.Duration(i)*time.Millisecond), fmt.Sprintf("host-%d.example.org", i%5000)
		r.journal.Append(firewall.Entry{Attempt: a, Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByMode}, Count: 1})
		if i%50_000 == 49_999 {
			if err := r.journal.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		f, err := r.WhatIf(b.Context(), ui.Proposal{Put: []ui.Rule{{Program: "*", Port: 443, Verdict: firewall.Block, Enabled: true}}})
		if err != nil || !f.Complete || f.Connections != 100_000 {
			b.Fatal(f.Complete, f.Connections, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms/forecast")
}
