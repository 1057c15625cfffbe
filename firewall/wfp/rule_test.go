package wfp

import (
	"errors"
	"slices"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

func TestAPermitThatForgotItsConditionsIsRefused(t *testing.T) {
	for _, r := range []Rule{
		{Name: "empty", Verdict: firewall.Allow},
		{Name: "protocol only", Verdict: firewall.Allow, Protocol: firewall.TCP},
		overrides[0],
	} {
		if _, err := stepsTo([]Rule{r}, nil); !errors.Is(err, errPermitsAll) {
			t.Errorf("%s: %v, want %v", r, err, errPermitsAll)
		}
	}
	if _, err := stepsTo([]Rule{{}}, nil); err != nil {
		t.Errorf("the zero rule, which blocks: %v", err)
	}
}

func TestARuleIsKnownByWhatItSays(t *testing.T) {
	a := Rule{Name: "a", Verdict: firewall.Allow, Program: `C:\Tools\a.exe`}
	same := Rule{Name: "another name", Verdict: firewall.Allow, Program: `c:\tools\A.EXE`}
	if a.id() != same.id() {
		t.Error("two rules that say the same have different keys")
	}
	seen := map[ID]Rule{}
	rules, _ := Plan(Policy{Allowed: []firewall.Program{executable(a.Program)}, Blocked: []firewall.Program{executable(a.Program)}})
	for _, r := range append(rules, overrides[:]...) {
		if other, ok := seen[r.id()]; ok {
			t.Errorf("%s and %s have the same key", r, other)
		}
		seen[r.id()] = r
	}
}

func TestNothingPassesOnTheWayFromOnePolicyToAnother(t *testing.T) {
	before, _ := Plan(Policy{Allowed: []firewall.Program{executable(`C:\a.exe`), executable(`C:\b.exe`)}})
	after, _ := Plan(Policy{Allowed: []firewall.Program{executable(`C:\b.exe`), executable(`C:\c.exe`)}, Blocked: []firewall.Program{executable(`C:\a.exe`)}})
	var inForce []ID
	for _, r := range before {
		inForce = append(inForce, r.id())
	}
	todo, err := stepsTo(append(after, after[0]), inForce)
	if err != nil {
		t.Fatal(err)
	}
	texts := func(rules []Rule) (list []string) {
		for _, r := range rules {
			list = append(list, r.String())
		}
		return list
	}
	if got, want := texts(todo.block), []string{`3 block IPv4 program C:\a.exe`, `3 block IPv6 program C:\a.exe`}; !slices.Equal(got, want) {
		t.Errorf("first %q, want %q", got, want)
	}
	var stale []ID
	for _, r := range before {
		if r.Program == `C:\a.exe` {
			stale = append(stale, r.id())
		}
	}
	if !slices.Equal(todo.remove, stale) {
		t.Errorf("then %d rules go, want the two permits of a.exe", len(todo.remove))
	}
	if got, want := texts(todo.permit), []string{`2 allow IPv4 program C:\c.exe`, `2 allow IPv6 program C:\c.exe`}; !slices.Equal(got, want) {
		t.Errorf("last %q, want %q", got, want)
	}
}

func TestWithoutRulesAllOfThemGo(t *testing.T) {
	rules, _ := Plan(Policy{})
	var inForce []ID
	for _, r := range rules {
		inForce = append(inForce, r.id())
	}
	todo, err := stepsTo(nil, inForce)
	if err != nil || !slices.Equal(todo.remove, inForce) || len(todo.block)+len(todo.permit) != 0 {
		t.Errorf("steps %+v, %v", todo, err)
	}
}
