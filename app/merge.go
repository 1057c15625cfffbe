package app

import (
	"cmp"
	"maps"
	"slices"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
)

// withPolicy returns what rules and settings become by a policy file: all that
// it says, and unless replace, also all that is there and it does not name. A
// mode that it does not name stays in any case.
func withPolicy(now, file persistence.Document, replace bool) persistence.Document {
	then := file
	rules, rest := paired(now.Rules, file.Rules, replace)
	then.Rules = rules
	if replace {
		return then
	}
	then.Rules, then.LastID = slices.Concat(rest, rules), now.LastID
	then.Settings = maps.Clone(now.Settings)
	maps.Copy(then.Settings, file.Settings)
	return then
}

// paired gives the rules of a file the IDs that they have here, and returns
// them with the rules here that the file does not have.
func paired(here, file []firewall.Rule, replace bool) (rules, rest []firewall.Rule) {
	byID := make(map[firewall.RuleID]int, len(here))
	alike := make(map[firewall.Rule][]int, len(here))
	for i, r := range here {
		byID[r.ID] = i
		alike[conditions(r)] = append(alike[conditions(r)], i)
	}
	rules, taken := slices.Clone(file), make([]bool, len(here))
	found := make([]bool, len(rules))
	for i := range rules {
		r := &rules[i]
		if at, ok := byID[r.ID]; ok && (replace || isSame(*r, here[at])) {
			if taken[at], found[i] = true, true; r.Created.IsZero() {
				r.Created = here[at].Created
			}
		}
	}
	for i := range rules {
		r := &rules[i]
		if found[i] || replace && r.ID != "" {
			continue
		}
		candidates := alike[conditions(*r)]
		if at := slices.IndexFunc(candidates, func(at int) bool { return !taken[at] }); at >= 0 {
			old := here[candidates[at]]
			taken[candidates[at]] = true
			r.ID, r.Builtin, r.Created, r.Note = old.ID, old.Builtin, old.Created, cmp.Or(r.Note, old.Note)
		} else if _, known := byID[r.ID]; known || !replace && persistence.IsNumbered(r.ID) {
			r.ID, r.Builtin = "", false // another computer's number means nothing here
		}
	}
	for i, r := range here {
		if !taken[i] {
			rest = append(rest, r)
		}
	}
	return rules, rest
}

// isSame tells whether a rule of a file that has the ID of one here is that
// one: made at the same time, or named so by the person who wrote the file.
func isSame(r, here firewall.Rule) bool {
	return r.Builtin && here.Builtin || r.Created.IsZero() || r.Created.Equal(here.Created)
}

// conditions is what a rule is about, without what it says of it, as a
// comparable value.
func conditions(r firewall.Rule) firewall.Rule {
	r = meaning(r)
	r.ID, r.Verdict, r.Disabled, r.Builtin, r.Proposed, r.Note = "", firewall.Block, false, false, false, ""
	r.Learned, r.PassLock = false, false
	if !r.Until.Exit {
		r.Until = firewall.Expiry{}
	}
	return r
}
