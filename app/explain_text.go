package app

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// changeSentences say who changed something, and whether it can be undone.
func changeSentences(x ui.Explanation) []string {
	if x.Change == nil {
		return []string{"This change cannot be undone: nothing is kept of what was before."}
	}
	c := x.Change
	said := []string{sentenceOf(whoMade("changed this", c.Way, c.User, c.Time))}
	switch {
	case c.Undone != "":
		said = append(said, "It was taken back by change "+c.Undone+".")
	case !c.Undoable:
		said = append(said, "It cannot be undone now: "+c.Hindered+".")
	}
	return said
}

// entrySentences say which rule decided, what it matched, who made it, and what
// would have happened without it.
func entrySentences(x ui.Explanation, d firewall.Decision, m firewall.Mode) (said []string) {
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	switch {
	case x.RuleID == "" && d.Reason == firewall.ByMode:
		say("No rule decided: the mode was %s.", m)
	case x.RuleID == "":
		say("No rule decided: %s.", reasonSaid(d))
	case x.Rule == nil:
		say("Rule %s decided. Nothing is kept of how it was then.", x.RuleID)
	default:
		verb := "decided"
		if d.Reason != firewall.ByRule {
			verb = "asks, and " + reasonSaid(d)
		}
		say("Rule %s %s: %s.%s", x.RuleID, verb, describeOut(*x.Rule), map[string]string{
			"removed": " This is the rule as it was then: it was removed since.", "changed": " This is the rule as it was then: it was changed since.",
			"disabled": " It was disabled since.",
		}[x.Since])
		say("%s", madeBy(*x.Rule))
	}
	if len(x.Met) > 0 {
		var met []string
		for _, f := range x.Met {
			s := f.Condition + " " + f.Rule
			if f.Fact != f.Rule && f.Fact != "" {
				s += " (" + f.Fact + ")"
			}
			met = append(met, s)
		}
		say("It matched: %s.", strings.Join(met, ", "))
	}
	if c := x.Change; c != nil && x.Rule != nil && x.Since != "" {
		say("Since then: %s.", whoMade(c.What+":", c.Way, c.User, c.Time))
	}
	switch without := x.Without; {
	case without == nil && x.RuleID != "":
		say("What the log keeps is not enough to say what would have happened without it.")
	case without == nil, d.Reason != firewall.ByMode && x.RuleID == "":
	case x.WithoutMode:
		say("In mode ask %s.", outcomeSaid(*without, m))
	default:
		say("Without it %s.", outcomeSaid(*without, m))
	}
	return said
}

// outcomeSaid is what would have happened, after "without it".
func outcomeSaid(o ui.Outcome, m firewall.Mode) string {
	by := "mode " + m.String()
	if o.Rule != "" {
		by = "rule " + o.Rule
	}
	switch o.Verdict {
	case firewall.Ask:
		if o.Rule != "" {
			return by + " would have had a person asked"
		}
		return "a person would have been asked"
	case firewall.Allow:
		return by + " would have allowed it"
	}
	return by + " would have blocked it"
}

// reasonSaid is why a flow was decided other than by a rule.
func reasonSaid(d firewall.Decision) string {
	switch d.Reason {
	case firewall.ByAnswer:
		return "a person answered, just this once"
	case firewall.ByZone:
		return "nothing is exchanged with the zone of blocked addresses"
	case firewall.Unanswered:
		return "nobody answered in time"
	case firewall.Asked:
		return "a person was asked"
	case firewall.Gone:
		return "the program gave up before it was answered"
	case firewall.TooMany:
		return "too many connections waited for an answer"
	case firewall.Existing:
		return "the connection is older than the firewall"
	case firewall.Stopping, firewall.HandedBack:
		return "the firewall was stopping"
	case firewall.Overflow:
		return "more came at once than could be looked at"
	case firewall.NotParsed:
		return "the packet made no sense"
	}
	return string(d.Reason)
}

// madeBy is who made a rule, and when.
func madeBy(r ui.Rule) string {
	switch firewall.Way(r.By) {
	case firewall.WayBuiltin:
		return "It is built in."
	case firewall.WaySeen:
		return "It was proposed on " + moment(r.Created) + " for a program that was seen before asking began."
	case firewall.WayCarried:
		return "It was carried over on " + moment(r.Created) + " from another version of the program."
	case "":
		if r.Created.IsZero() {
			return "Who made it, and when, is not known."
		}
		return "It was made on " + moment(r.Created) + "; by whom is not known."
	}
	return sentenceOf(whoMade("made it", r.By, r.ByUser, r.Created))
}

// whoMade is a person, what they did, in which way and when.
func whoMade(did, way, user string, at time.Time) string {
	if automatic(firewall.Way(way)) || way == "" && user == "" {
		user = "the engine"
	}
	s := cmp.Or(user, "somebody") + " " + did
	if strings.HasSuffix(did, ":") {
		s = did + " " + cmp.Or(user, "somebody")
	}
	in := map[firewall.Way]string{
		firewall.WayAnswer: "by an answer", firewall.WayWindow: "in the windows", firewall.WayCommand: "by a command",
		firewall.WayImport: "by an import", firewall.WayReview: "in the review", firewall.WayUndo: "by an undo",
	}[firewall.Way(way)]
	if in != "" {
		s += " " + in
	}
	return s + " on " + moment(at)
}

func moment(t time.Time) string { return t.Local().Format("2 Jan 2006, 15:04:05") }

func sentenceOf(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
