package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
)

func TestAPolicyFileIsMergedOrReplaces(t *testing.T) {
	one, two := time.Unix(1, 0), time.Unix(2, 0)
	curl := firewall.Rule{ID: "r1", Program: "/bin/curl", Verdict: firewall.Block, Note: "ours", Created: one}
	loop := firewall.Rule{ID: "builtin-loopback", Program: "*", Place: firewall.Loopback, Verdict: firewall.Allow, Builtin: true, Created: one}
	here := []firewall.Rule{curl, loop}
	edit := func(r firewall.Rule, f func(*firewall.Rule)) firewall.Rule { f(&r); return r }
	for _, c := range []struct {
		name    string
		file    firewall.Rule
		merged  string // each rule as "ID program verdict note"
		replace string
	}{
		{"the rule itself, as it is", curl,
			"builtin-loopback * allow, r1 /bin/curl block ours", "r1 /bin/curl block ours"},
		{"the rule itself, changed", edit(curl, func(r *firewall.Rule) { r.Host, r.Verdict, r.Note = "example.org", firewall.Allow, "" }),
			"builtin-loopback * allow, r1 /bin/curl allow", "r1 /bin/curl allow"},
		{"another computer's rule of the same number", firewall.Rule{ID: "r1", Program: "/bin/wget", Created: two},
			"r1 /bin/curl block ours, builtin-loopback * allow,  /bin/wget block", "r1 /bin/wget block"},
		{"another computer's rule of another number", firewall.Rule{ID: "r7", Program: "/bin/wget", Created: two},
			"r1 /bin/curl block ours, builtin-loopback * allow,  /bin/wget block", "r7 /bin/wget block"},
		{"another computer's rule for the same", firewall.Rule{ID: "r7", Program: "/bin/curl", Verdict: firewall.Ask, Created: two},
			"builtin-loopback * allow, r1 /bin/curl ask ours", "r7 /bin/curl ask"},
		{"a rule that a person wrote, for the same", firewall.Rule{Program: "/bin/curl", Verdict: firewall.Allow, Note: "mine"},
			"builtin-loopback * allow, r1 /bin/curl allow mine", "r1 /bin/curl allow mine"},
		{"a rule that a person wrote, for something else", firewall.Rule{Program: "/bin/curl", Port: 80},
			"r1 /bin/curl block ours, builtin-loopback * allow,  /bin/curl block", " /bin/curl block"},
		{"a rule that a person named", firewall.Rule{ID: "web", Program: "/bin/curl", Port: 80},
			"r1 /bin/curl block ours, builtin-loopback * allow, web /bin/curl block", "web /bin/curl block"},
		{"a built-in rule, made elsewhere and changed", edit(loop, func(r *firewall.Rule) { r.Created, r.Verdict = two, firewall.Block }),
			"r1 /bin/curl block ours, builtin-loopback * block", "builtin-loopback * block"},
	} {
		mode := firewall.ModeBlock
		now := persistence.Document{LastID: 9, Mode: &mode, Rules: here, Settings: map[string]string{"patience": "1m", "fail": "open"}}
		file := persistence.Document{LastID: 99, Rules: []firewall.Rule{c.file}, Settings: map[string]string{"patience": "2m"}}
		for replace, want := range map[bool]string{false: c.merged, true: c.replace} {
			then := withPolicy(now, file, replace)
			var have []string
			for _, r := range then.Rules {
				have = append(have, strings.TrimRight(fmt.Sprint(r.ID, " ", r.Program, " ", r.Verdict, " ", r.Note), " "))
			}
			if got := strings.Join(have, ", "); got != want {
				t.Errorf("%s, replace %v:\n%s, want\n%s", c.name, replace, got, want)
			}
			settings := map[bool]string{false: "map[fail:open patience:2m]", true: "map[patience:2m]"}[replace]
			if have := fmt.Sprint(then.Settings); have != settings || then.Mode != nil {
				t.Errorf("%s, replace %v: settings %s, mode %v", c.name, replace, have, then.Mode)
			}
		}
		if !slices.Equal(here, now.Rules) || len(now.Settings) != 2 {
			t.Fatal("what is here was changed")
		}
	}
}

func TestTwoRulesForTheSameKeepTheirIDs(t *testing.T) {
	here := []firewall.Rule{{ID: "r1", Program: "/bin/a", Verdict: firewall.Allow, Created: time.Unix(1, 0)}, {ID: "r2", Program: "/bin/a", Created: time.Unix(2, 0)}}
	file := []firewall.Rule{{Program: "/bin/a", Verdict: firewall.Ask}, here[1], {Program: "/bin/a"}}
	rules, rest := paired(here, file, false)
	if len(rest) != 0 || rules[0].ID != "r1" || rules[1].ID != "r2" || rules[2].ID != "" {
		t.Errorf("%+v\nleft here %+v", rules, rest)
	}
}
