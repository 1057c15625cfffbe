package ui

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// UnusedFor is from when on a rule counts as unused.
const UnusedFor = 90 * 24 * time.Hour

// Cleaning is the part of a [Control] that finds rules nobody needs.
type Cleaning interface {
	// Stale returns the rules that decided nothing for that long (0: 90 days),
	// and those whose program is gone.
	Stale(ctx context.Context, q StaleQuery) ([]StaleRule, error)
}

// StaleQuery says how long a rule must have been unused.
type StaleQuery struct {
	Unused time.Duration `json:"unused,omitempty"`
}

// StaleRule is a rule that may not be needed, and why.
type StaleRule struct {
	Rule
	Unused bool   `json:"unused"`         // it decided nothing for long
	Gone   string `json:"gone,omitempty"` // the path at which there is no file any more
}

// Why says in a few words why nobody may need the rule.
func (r StaleRule) Why() string {
	var why []string
	if r.Gone != "" {
		why = append(why, "there is no "+shown(r.Gone))
	}
	if r.Unused {
		used := "never used"
		if r.LastUsed != nil {
			used = "last used " + r.LastUsed.Local().Format("2 Jan 2006")
		}
		why = append(why, used)
	}
	return strings.Join(why, ", ")
}

// Contains tells whether a text is in what a rule says, in any case; a number
// is its port.
func (r Rule) Contains(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, s := range []string{r.Program, programName(r.Program, ""), r.Host, r.Remote, r.Note, r.ID, r.StartedBy, r.User, r.By, r.ByUser} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return r.Port != 0 && strconv.Itoa(int(r.Port)) == text || r.Verdict.String() == text
}

// RuleOrders are what rules can be sorted by: the last used, the most used and
// the newest come first.
var RuleOrders = []string{"program", "used", "hits", "created", "verdict"}

// SortRules sorts rules by one of [RuleOrders].
func SortRules(rules []Rule, by string) {
	slices.SortStableFunc(rules, func(a, b Rule) int { return CompareRules(a, b, by) })
}

// CompareRules tells which of two rules comes first.
func CompareRules(a, b Rule, by string) int {
	switch by {
	case "used":
		return usedAt(b).Compare(usedAt(a))
	case "hits":
		return cmp.Compare(b.Hits, a.Hits)
	case "created":
		return b.Created.Compare(a.Created)
	case "verdict":
		return cmp.Compare(a.Verdict, b.Verdict)
	}
	return cmp.Or(cmp.Compare(strings.ToLower(programName(a.Program, "")), strings.ToLower(programName(b.Program, ""))), cmp.Compare(a.Program, b.Program))
}

func usedAt(r Rule) time.Time {
	if r.LastUsed == nil {
		return time.Time{}
	}
	return *r.LastUsed
}

// textMadeBy says who made a rule and when, "" if that is not known.
func textMadeBy(r Rule) string {
	if r.Builtin || r.By == "" {
		return ""
	}
	s := "made"
	if r.ByUser != "" {
		s += " by " + shown(r.ByUser)
	}
	s += map[string]string{
		"answer": " by an answer", "window": " in the windows", "command": " by a command", "import": " by an import", "review": " in the review",
		"seen": " for a program seen before asking began", "carried": " for another version of the program",
	}[r.By]
	return s + ", " + momentText(r.Created)
}
