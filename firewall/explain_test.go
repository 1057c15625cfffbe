package firewall_test

import (
	"net/netip"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// explain prints why an attempt is decided as it is.
func (s *story) explain(a firewall.Attempt) {
	e := firewall.Explain(s.ruleset(), s.mode, a)
	by := func(d firewall.Decision) string {
		if d.Rule != "" {
			return d.Verdict.String() + " by " + string(d.Rule)
		}
		return d.Verdict.String() + " by " + string(d.Reason)
	}
	s.print("%s: %s", describe(a), by(e.Decision))
	for _, m := range e.Met {
		s.print("    %s %s: %s", m.Condition, m.Rule, m.Fact)
	}
	without := "without the rule"
	if e.WithoutMode {
		without = "in mode ask"
	}
	s.print("    %s: %s", without, by(e.Without))
}

// An explanation says what the engine does, for every rule and attempt.
func TestAnExplanationIsWhatIsDecided(t *testing.T) {
	rules := firewall.BuiltinRules()
	rules = append(rules, firewall.Rule{ID: "a", Program: "/usr/bin/curl", Port: 443, Verdict: firewall.Allow}, firewall.Rule{ID: "b", Program: "/usr/bin/curl", Verdict: firewall.Ask})
	rs, err := firewall.NewRuleset(rules...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []firewall.Mode{firewall.ModeAsk, firewall.ModeAllow, firewall.ModeBlock, firewall.ModeOff, firewall.ModeLock} {
		for _, p := range []string{"curl", "nc", "?1", "kernel"} {
			a := firewall.Attempt{Program: program(p)}
			a.Remote = netip.MustParseAddrPort("192.0.2.7:443")
			e := firewall.Explain(rs, m, a)
			if d := m.Decide(rs, a); d != e.Decision {
				t.Errorf("%s in mode %s: explained as %+v, decided %+v", p, m, e.Decision, d)
			}
			if (e.Rule != "") != (len(e.Met) > 0) || (e.Rule == "") != e.WithoutMode {
				t.Errorf("%s in mode %s: %+v", p, m, e)
			}
		}
	}
}
