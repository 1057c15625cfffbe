package firewall

import (
	"slices"
	"testing"
)

// What rules say of a script, of a script that changed, and of one that an
// interpreter runs into whose place others can put another.
func TestWhichRulesCountForAScript(t *testing.T) {
	const (
		python, own = "/usr/bin/python3.11", "/home/u/.pyenv/versions/3.11/bin/python3.11"
		script      = "/home/u/backup.py"
	)
	plain := Program{Kind: Interpreted, Path: python, Family: "python", Script: script}
	byOwn := plain
	byOwn.Path, byOwn.Replaceable = own, true
	changed := func(p Program) Program {
		p.Kind, p.File, p.Why = Changed, "sha256:0", "another file at this path since 12 Nov 2026"
		return p
	}
	for _, test := range []struct {
		about, rule   string
		program       Program
		allows, stops bool // an allowing rule, and one that blocks, count
	}{
		{"a script", "script:python:" + script, plain, true, true},
		{"a script, by its interpreter", python, plain, true, true},
		{"a script, by an own interpreter", "script:" + python + ":" + script, plain, false, false},
		{"another file", "script:python:" + script, changed(plain), false, true},
		{"another file, as all that its interpreter runs", python, changed(plain), true, true},
		{"another file, as any program", AnyProgram, changed(plain), true, true},
		{"run by an own interpreter", "script:" + own + ":" + script, byOwn, true, true},
		{"run by an own interpreter, as all that it runs", own, byOwn, true, true},
		{"run by an own interpreter, as the script", "script:python:" + script, byOwn, false, true},
		{"run by another own interpreter", "script:" + own + "2:" + script, byOwn, false, false},
		{"an own interpreter or its script is another", "script:" + own + ":" + script, changed(byOwn), false, true},
		{"an own interpreter or its script is another, by the script", "script:python:" + script, changed(byOwn), false, true},
		{"an own interpreter or its script is another, as all that it runs", own, changed(byOwn), false, true},
	} {
		a := Attempt{Program: test.program}
		for verdict, want := range map[Verdict]bool{Allow: test.allows, Block: test.stops} {
			r := Rule{ID: "x", Program: test.rule, Verdict: verdict}
			if got := r.Matches(a); got != want {
				t.Errorf("%s: a rule that says %s for %s counts: %v", test.about, verdict, test.rule, got)
			}
			if d, ok := mustRules(t, []Rule{r}).Decide(a); ok != want || ok && d.Verdict != verdict {
				t.Errorf("%s: a rule that says %s for %s decides %+v, %v", test.about, verdict, test.rule, d, ok)
			}
		}
	}
	if p := changed(byOwn); p.Proven() != byOwn || changed(plain).Proven() != plain || byOwn.Proven() != byOwn {
		t.Errorf("proven, they are %+v", p.Proven())
	}
}

// A rule for the script beats one for the interpreter; the script as run by just
// one interpreter is the narrowest.
func TestTheNarrowestRuleForAScriptDecides(t *testing.T) {
	p := Program{Kind: Interpreted, Path: "/home/u/python3", Family: "python", Script: "/home/u/a.py", Replaceable: true}
	rules := []Rule{
		{ID: "pair", Program: p.ID(), Verdict: Allow},
		{ID: "script", Program: "script:python:/home/u/a.py", Verdict: Block},
		{ID: "interpreter", Program: "/home/u/python3", Verdict: Allow},
		{ID: "any", Program: AnyProgram, Verdict: Block},
	}
	for i, r := range rules {
		if d, ok := mustRules(t, rules[i:]).Decide(Attempt{Program: p}); !ok || d.Rule != r.ID {
			t.Errorf("%s is to decide, and %+v, %v does", r.ID, d, ok)
		}
	}
}

func TestABackendIsToldWhichInterpretersRulesName(t *testing.T) {
	rules := []Rule{
		{ID: "1", Program: "script:/b/python3:/x.py", Verdict: Allow},
		{ID: "2", Program: "script:/a/node:/x.js", Verdict: Block},
		{ID: "3", Program: "script:/b/python3:/y.py", Verdict: Allow, Direction: In},
		{ID: "4", Program: "script:python:/x.py", Verdict: Allow},
		{ID: "5", Program: "/c/python3", Verdict: Allow},
		{ID: "6", Program: "script:/d/python3:/x.py", Verdict: Allow, Disabled: true},
	}
	rs := mustRules(t, rules)
	for _, step := range []struct {
		remove RuleID
		want   []string
	}{{"none", []string{"/a/node", "/b/python3"}}, {"1", []string{"/a/node", "/b/python3"}}, {"3", []string{"/a/node"}}, {"2", nil}} {
		var err error
		if rs, err = rs.Change(nil, []RuleID{step.remove}); err != nil {
			t.Fatal(err)
		}
		if got := rs.Policy(ModeAsk, false).Interpreters; !slices.Equal(got, step.want) {
			t.Errorf("without %s: %q, want %q", step.remove, got, step.want)
		}
	}
	for program, want := range map[string]bool{"script:python:/x.py": true, "/c/python3": true, "script:/d/python3:/x.py": false, "": false, "nonsense": false} {
		if rs.Names(program) != want {
			t.Errorf("rules name %q: %v", program, !want)
		}
	}
}
