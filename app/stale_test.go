package app

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// A rule that decides is used; one that did not for long, or whose program is
// gone, is listed. That it was used is written with the log, not by itself.
func TestRulesNobodyNeedsAreFound(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	there := filepath.Join(r.dir, "there")
	if err := os.WriteFile(there, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-100 * 24 * time.Hour)
	gone := filepath.Join(r.dir, "gone")
	r.changing.Lock()
	_, err := r.update(t.Context(), persistence.Update{Put: append(firewall.BuiltinRules(),
		firewall.Rule{ID: "used", Program: there, Verdict: firewall.Allow, Created: old},
		firewall.Rule{ID: "unused", Program: there, Verdict: firewall.Allow, Port: 1, Created: old},
		firewall.Rule{ID: "new", Program: there, Verdict: firewall.Allow, Port: 2},
		firewall.Rule{ID: "gone", Program: gone, Verdict: firewall.Allow},
		firewall.Rule{ID: "script", Program: "script:python:" + gone + ".py", Verdict: firewall.Allow, Created: old},
		firewall.Rule{ID: "any", Program: "*", Verdict: firewall.Allow, Port: 3},
	)}, "rules")
	r.changing.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	r.decided(t, r.memory.Dial(attempt(there, "192.0.2.1:443")), firewall.Allow, firewall.ByRule)
	stale, err := r.Stale(t.Context(), ui.StaleQuery{})
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, s := range stale {
		why[s.ID] = s.Why()
	}
	want := map[string]string{"unused": "never used", "gone": "there is no " + gone, "script": "there is no " + gone + ".py, never used"}
	if len(why) != len(want) || why["unused"] != want["unused"] || why["gone"] != want["gone"] || why["script"] != want["script"] {
		t.Errorf("found %v\nwant %v", why, want)
	}
	if _, err := r.Stale(t.Context(), ui.StaleQuery{Unused: -1}); !errors.Is(err, ui.ErrInvalid) {
		t.Error(err)
	}
}

func TestRulesAreSortedAndSearched(t *testing.T) {
	at := func(day int) *time.Time { t := time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC); return &t }
	rules := []ui.Rule{
		{ID: "1", Program: "/usr/bin/Zed", Hits: 5, LastUsed: at(3), Created: *at(1), Verdict: firewall.Allow, Note: "For Anna"},
		{ID: "2", Program: "/opt/a", Hits: 9, Created: *at(2), Verdict: firewall.Block, Port: 443},
		{ID: "3", Program: "/usr/bin/mail", LastUsed: at(5), Created: *at(3), Verdict: firewall.Ask, Host: "mail.example"},
	}
	for by, want := range map[string][]string{"program": {"2", "3", "1"}, "used": {"3", "1", "2"}, "hits": {"2", "1", "3"}, "created": {"3", "2", "1"}, "verdict": {"2", "1", "3"}} {
		sorted := slices.Clone(rules)
		ui.SortRules(sorted, by)
		var ids []string
		for _, r := range sorted {
			ids = append(ids, r.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("by %s: %v, want %v", by, ids, want)
		}
	}
	for text, want := range map[string]string{"anna": "1", "443": "2", "MAIL.": "3", "zed": "1", "block": "2"} {
		for _, r := range rules {
			if r.Contains(text) != (r.ID == want) {
				t.Errorf("%q in rule %s: %v", text, r.ID, r.Contains(text))
			}
		}
	}
}
