package firewall

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzChange makes a set of rules by changes: it must always be the set that
// is made of the same rules at once, and the sets before stay as they were.
func FuzzChange(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		rules := map[RuleID]Rule{}
		var rs Ruleset
		var checks []func()
		for range 12 {
			put, remove := randomChange(r, rules)
			if oneIn(r, 4) {
				bad := randomRule(r, r.IntN(30))
				bad.Program = ""
				if oneIn(r, 2) && len(put) > 0 {
					bad = put[0] // twice
				}
				refused, err := rs.Change(append(slices.Clone(put), bad), remove)
				if err == nil {
					t.Fatalf("accepted: %+v", bad)
				}
				checks = append(checks, sameRules(t, r, refused, rules))
				continue
			}
			changed, err := rs.Change(put, remove)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range remove {
				delete(rules, id)
			}
			for _, rule := range put {
				rules[rule.ID] = rule
			}
			rs = changed
			checks = append(checks, sameRules(t, r, rs, rules))
		}
		for _, check := range checks {
			check()
		}
	})
}

// randomChange is a few rules to put, new and changed ones, and ids to remove.
func randomChange(r *rand.Rand, rules map[RuleID]Rule) (put []Rule, remove []RuleID) {
	have := slices.Sorted(maps.Keys(rules))
	seen := map[RuleID]bool{}
	for range r.IntN(5) {
		rule := randomRule(r, r.IntN(30))
		if len(have) > 0 && oneIn(r, 2) {
			was := rules[pick(r, have)]
			switch r.IntN(5) {
			case 0:
				was.Disabled = !was.Disabled
			case 1:
				was.Program, was.Until = rule.Program, rule.Until
			case 2:
				was.Direction, was.Verdict = rule.Direction, rule.Verdict
			case 3:
				was.Hits++
			case 4:
				was.Proposed = !was.Proposed
			}
			rule = was
		}
		if !seen[rule.ID] {
			seen[rule.ID] = true
			put = append(put, rule)
		}
	}
	for range r.IntN(4) {
		if len(have) > 0 {
			remove = append(remove, pick(r, have))
		}
		remove = append(remove, RuleID(fmt.Sprintf("none-%d", r.IntN(9))))
	}
	return put, remove
}

// sameRules returns a check that the set is, then and later, that of the rules.
func sameRules(t *testing.T, r *rand.Rand, rs Ruleset, rules map[RuleID]Rule) func() {
	rules = maps.Clone(rules)
	want := mustRules(t, slices.Collect(maps.Values(rules)))
	attempts := make([]Attempt, 20)
	for i := range attempts {
		attempts[i] = randomAttempt(r)
	}
	check := func() {
		t.Helper()
		if rs.Len() != len(rules) {
			t.Fatalf("%d rules, want %d", rs.Len(), len(rules))
		}
		all := map[RuleID]Rule{}
		proposed := 0
		for rule := range rs.All() {
			all[rule.ID] = rule
			if rule.Proposed {
				proposed++
			}
		}
		if !maps.Equal(all, rules) || rs.Proposed() != proposed {
			t.Fatalf("all rules are %+v, want %+v; %d are proposed, want %d", all, rules, rs.Proposed(), proposed)
		}
		for id, rule := range rules {
			if have, ok := rs.Rule(id); !ok || have != rule {
				t.Fatalf("rule %s is %+v, want %+v", id, have, rule)
			}
		}
		for _, a := range attempts {
			d, ok := rs.Decide(a)
			if d2, ok2 := want.Decide(a); d != d2 || ok != ok2 {
				t.Fatalf("decided %+v, %v; want %+v, %v\n%+v\n%+v", d, ok, d2, ok2, a, rules)
			}
		}
		for _, m := range []Mode{ModeAsk, ModeLock} {
			have, want := rs.Policy(m, true), want.Policy(m, true)
			if have.Loopback != want.Loopback || have.LoopbackRule != want.LoopbackRule || have.Inbound != want.Inbound || have.Scripts != want.Scripts || have.Signers != want.Signers || !slices.Equal(have.Programs, want.Programs) {
				t.Fatalf("policy %+v, want %+v\n%+v", have, want, rules)
			}
		}
	}
	check()
	return check
}

func TestThePolicyFollowsChanges(t *testing.T) {
	rs := mustRules(t, append(BuiltinRules(), anyInbound))
	spy := Rule{ID: "spy", Program: "/bin/spy", Verdict: Block}
	off := spy
	off.Disabled = true
	inbound := spy
	inbound.Direction = In
	script := Rule{ID: "script", Program: "script:sh:/a", Verdict: Allow}
	for change, want := range map[*Rule]bool{&script: true, {ID: "sh", Program: "/bin/sh", Verdict: Allow}: false} {
		if p := mustRules(t, []Rule{*change}).Policy(ModeAsk, false); p.Scripts != want {
			t.Errorf("%s: %+v", change.Program, p)
		}
	}
	signed := Rule{ID: "signed", Program: "signer:Acme/product:A", Verdict: Allow}
	for change, want := range map[*Rule]bool{&signed: true, &script: false} {
		if p := mustRules(t, []Rule{*change}).Policy(ModeAsk, false); p.Signers != want {
			t.Errorf("%s: %+v", change.Program, p)
		}
	}
	for _, step := range []struct {
		what              string
		put               []Rule
		remove            []RuleID
		loopback, inbound bool
	}{
		{"nothing", nil, nil, true, true},
		{"a blocked program", []Rule{spy}, nil, false, true},
		{"it is disabled", []Rule{off}, nil, true, true},
		{"it is blocked for what comes in", []Rule{inbound}, nil, true, false},
		{"it is removed", nil, []RuleID{"spy"}, true, true},
		{"no rule for loopback", nil, []RuleID{"builtin-loopback"}, false, true},
		{"no rule for what comes in", nil, []RuleID{"builtin-inbound"}, false, false},
		{"as at first", append(BuiltinRules(), anyInbound), nil, true, true},
	} {
		changed, err := rs.Change(step.put, step.remove)
		if err != nil {
			t.Fatal(err)
		}
		rs = changed
		if p := rs.Policy(ModeAsk, false); p.Loopback != step.loopback || p.Inbound != step.inbound {
			t.Errorf("%s: %+v", step.what, p)
		}
		_, there := rs.Rule("spy")
		if named := slices.Contains(rs.Policy(ModeAsk, false).Programs, "/bin/spy"); named != (there && step.what != "it is disabled") {
			t.Errorf("%s: the program is named: %v", step.what, named)
		}
	}
}
