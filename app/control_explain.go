package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// inForceDelay is how long after a change is stored the rules before it may
// still decide.
const inForceDelay = 2 * time.Second

// Explain says why a line of the log came about.
func (c *Control) Explain(ctx context.Context, line string) (ui.Explanation, error) {
	id, err := strconv.ParseUint(line, 10, 64)
	if err != nil || id == 0 {
		return ui.Explanation{}, fmt.Errorf("%w: line %q: want the ID of a line of the log: sallyport log", ui.ErrInvalid, line)
	}
	c.changing.Lock() // rules and history belong together
	defer c.changing.Unlock()
	lines, err := c.store.Log(ctx, persistence.Query{Before: persistence.LineID(id) + 1, Limit: 1})
	if err != nil {
		return ui.Explanation{}, err
	}
	if len(lines) == 0 || lines[0].ID != persistence.LineID(id) {
		return ui.Explanation{}, fmt.Errorf("%w: the log has no line %s", ui.ErrNotFound, line)
	}
	if lines[0].Change != nil {
		return c.explainChange(lines[0])
	}
	return c.explainEntry(lines[0])
}

func (c *Control) explainChange(l persistence.Line) (ui.Explanation, error) {
	x := ui.Explanation{Line: lineOut(l)}
	if l.Change.ID != 0 {
		p, ok, err := c.store.PastChange(l.Change.ID)
		if err != nil {
			return x, err
		}
		if ok {
			change := changeOut(p)
			x.Change = &change
		}
	}
	x.Sentences = changeSentences(x)
	return x, nil
}

func (c *Control) explainEntry(l persistence.Line) (ui.Explanation, error) {
	past, err := c.pastOf(l)
	if err != nil {
		return ui.Explanation{}, err
	}
	e, rules := past.explain(l.Entry)
	x := ui.Explanation{Line: lineOut(l), Without: &ui.Outcome{Verdict: e.Without.Verdict, Reason: string(e.Without.Reason), Rule: string(e.Without.Rule)}, WithoutMode: e.WithoutMode}
	agreed := agrees(e.Decision, l.Entry.Decision)
	if agreed {
		x.Met = e.Met
	} else {
		x.Without, x.WithoutMode = nil, false
	}
	id := l.Entry.Rule
	if id == "" {
		id = e.Rule // that asked
	}
	if id != "" {
		x.RuleID = string(id)
		then, wasThere := rules.Rule(id)
		if wasThere = wasThere && (agreed || !past.forgotten); wasThere {
			r := ruleOut(then)
			x.Rule = &r
		}
		now, isThere := c.state.Load().rules.Rule(id)
		switch {
		case !isThere:
			x.Since = "removed"
		case !wasThere:
			x.Since = "unknown"
		case meaning(now) == meaning(then):
		case now.Disabled && !then.Disabled:
			x.Since = "disabled"
		default:
			x.Since = "changed"
		}
		if x.Change, err = c.lastChangeOf(id); err != nil {
			return x, err
		}
	}
	x.Sentences = entrySentences(x, l.Entry.Decision, past.modes[0])
	return x, nil
}

// agrees tells whether what rules and mode decide is what happened, or led to
// it: a person was asked.
func agrees(d, happened firewall.Decision) bool {
	switch happened.Reason {
	case firewall.ByRule, firewall.ByMode, firewall.ByZone:
		if d.Verdict == firewall.Ask && d.Reason == firewall.ByRule {
			return d.Rule == happened.Rule
		}
		return d.Verdict == happened.Verdict && d.Reason == happened.Reason && d.Rule == happened.Rule
	}
	return d.Verdict == firewall.Ask
}

// before is the rules and modes that may have been in force when a line came
// about: those when it was written first, then earlier ones.
type before struct {
	rules []firewall.Ruleset
	modes []firewall.Mode
	// forgotten: some changes since the line are not kept any more.
	forgotten bool
}

// explain returns the first explanation that agrees with what happened, and the
// rules that it is of; without one, that of the time when the line was written.
func (b *before) explain(e firewall.Entry) (firewall.Explanation, firewall.Ruleset) {
	for i := range b.rules {
		x := firewall.Explain(b.rules[i], b.modes[i], e.Attempt)
		if agrees(x.Decision, e.Decision) {
			b.modes[0] = b.modes[i]
			return x, b.rules[i]
		}
	}
	return firewall.Explain(b.rules[0], b.modes[0], e.Attempt), b.rules[0]
}

// pastOf takes the changes since a line back, one by one. The line was written
// a moment after it was decided, and rules come into force a moment after they
// are stored: the changes shortly before it are taken back as well.
func (c *Control) pastOf(l persistence.Line) (*before, error) {
	st := c.state.Load()
	rules, m := st.rules, st.modes()
	b := &before{}
	for from := persistence.ChangeID(0); ; {
		page, err := c.store.Changes(from, 50)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			from = p.ID
			if p.Line != 0 && p.Line < l.ID || p.Line == 0 && p.Time.Before(l.Entry.Time) {
				b.rules, b.modes = append(b.rules, rules), append(b.modes, m.now())
				if p.Time.Before(l.Entry.Time.Add(-inForceDelay)) || len(b.rules) > 20 {
					return b, nil
				}
			}
			if rules, m, err = c.takenBack(p, rules, m); err != nil {
				return nil, err
			}
		}
		if len(page) < 50 {
			b.rules, b.modes, b.forgotten = append(b.rules, rules), append(b.modes, m.now()), from > 1
			return b, nil
		}
	}
}

// modes are the mode that a person chose, and one that is in its place for a
// time; nil: none is.
type modes struct {
	lasting firewall.Mode
	timed   *firewall.Mode
}

func (st *state) modes() modes {
	if st.timed == (persistence.TimedMode{}) {
		return modes{lasting: st.mode}
	}
	return modes{st.after, &st.timed.Mode}
}

func (m modes) now() firewall.Mode {
	if m.timed != nil {
		return *m.timed
	}
	return m.lasting
}

// takenBack is rules, zones and modes as they were before a change.
func (c *Control) takenBack(p persistence.PastChange, rules firewall.Ruleset, m modes) (firewall.Ruleset, modes, error) {
	var put []firewall.Rule
	var remove []firewall.RuleID
	for _, e := range p.Rules {
		if e.Before == nil {
			remove = append(remove, e.ID)
		} else {
			put = append(put, *e.Before)
		}
	}
	for _, s := range p.Settings {
		switch {
		case s.Name == persistence.TimedSetting && s.Before == nil:
			m.timed = nil
		case s.Name == persistence.TimedSetting:
			timed, err := persistence.ParseTimedMode(*s.Before)
			if err != nil {
				return rules, m, err
			}
			m.timed = &timed.Mode
		case s.Name == persistence.ModeSetting:
			if m.lasting = c.first; s.Before != nil {
				if err := m.lasting.UnmarshalText([]byte(*s.Before)); err != nil {
					return rules, m, err
				}
			}
		}
	}
	if len(p.Networks) > 0 {
		zones, err := c.zonesBefore(p.Networks, rules.Zones())
		if err != nil {
			return rules, m, err
		}
		rules = rules.In(zones)
	}
	rules, err := rules.Change(put, remove)
	return rules, m, err
}

// lastChangeOf is the newest change of a rule, nil if none is kept.
func (c *Control) lastChangeOf(id firewall.RuleID) (*ui.Change, error) {
	for from := persistence.ChangeID(0); ; {
		page, err := c.store.Changes(from, 50)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			from = p.ID
			for _, e := range p.Rules {
				if e.ID == id {
					change := changeOut(p)
					return &change, nil
				}
			}
		}
		if len(page) < 50 {
			return nil, nil
		}
	}
}
