package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

const (
	// forecastSpan is how far back a forecast looks.
	forecastSpan = 7 * 24 * time.Hour
	// forecastPatience bounds a forecast: what it did not reach, it says.
	forecastPatience = 4 * time.Second
)

// WhatIf says what a change would have changed in the last seven days of the log.
func (c *Control) WhatIf(ctx context.Context, p ui.Proposal) (ui.Forecast, error) {
	return c.forecast(ctx, p, forecastPatience)
}

// forecast looks for so long. Only one does at a time: it takes a processor.
func (c *Control) forecast(ctx context.Context, p ui.Proposal, patience time.Duration) (ui.Forecast, error) {
	select {
	case c.forecasts <- struct{}{}:
		defer func() { <-c.forecasts }()
	case <-ctx.Done():
		return ui.Forecast{}, ctx.Err()
	}
	then, mode, err := c.proposed(ctx, p)
	if err != nil {
		return ui.Forecast{}, err
	}
	if err := c.journal.Flush(ctx); err != nil {
		return ui.Forecast{}, err
	}
	now := c.state.Load()
	replay := firewall.NewReplay(now.rules, now.mode, then, mode)
	f := ui.Forecast{Since: time.Now().Add(-forecastSpan).UTC(), Effects: []ui.Effect{}}
	reached := time.Now()
	brief, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = c.store.Log(brief, persistence.Query{Since: f.Since, Limit: 1 << 62, Match: func(l persistence.Line) bool {
		if l.Change == nil {
			replay.Add(l.Entry)
			reached = l.Entry.Time
		}
		return false
	}})
	f.Complete = err == nil
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		f.Since = reached.UTC()
	default:
		return ui.Forecast{}, err
	}
	f.Connections = replay.Connections()
	for _, e := range replay.Effects() {
		f.Effects = append(f.Effects, ui.Effect(e))
	}
	return f, nil
}

// proposed is what rules and mode would be.
func (c *Control) proposed(ctx context.Context, p ui.Proposal) (firewall.Ruleset, firewall.Mode, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	st := c.state.Load()
	rules, mode, m := st.rules, st.mode, st.modes()
	if p.Undo != "" {
		past, err := c.pastChange(p.Undo)
		if err != nil {
			return rules, mode, err
		}
		if past.Hindrance != nil {
			return rules, mode, hinderedErr(past, past.Hindrance)
		}
		if rules, m, err = c.takenBack(past, rules, m); err != nil {
			return rules, mode, err
		}
		if past.OfMode() {
			mode = m.lasting
		}
	}
	if len(p.Import) > 0 {
		file, err := persistence.DecodeDocument(p.Import)
		if err != nil {
			return rules, mode, invalid(err)
		}
		file.Rules = c.arrived(file.Rules)
		now, err := c.store.Document()
		if err != nil {
			return rules, mode, err
		}
		d := withPolicy(now, file, p.Replace)
		nameRules(d.Rules)
		if rules, err = firewall.NewRuleset(d.Rules...); err != nil {
			return rules, mode, invalid(err)
		}
		rules = rules.In(st.rules.Zones())
		if d.Mode != nil {
			mode = *d.Mode
		}
	}
	var u persistence.Update
	if p.Mode != nil {
		var err error
		if u, err = c.modeUpdate(ctx, *p.Mode); err != nil {
			return rules, mode, err
		}
		mode = *p.Mode
	}
	for _, id := range p.Remove {
		if _, ok := rules.Rule(firewall.RuleID(id)); !ok {
			return rules, mode, noRule(id)
		}
		u.Remove = append(u.Remove, firewall.RuleID(id))
	}
	for _, r := range p.Put {
		in, err := c.changedRule(r)
		if err != nil {
			return rules, mode, err
		}
		u.Put = append(u.Put, in)
	}
	nameRules(u.Put)
	rules, err := rules.Change(u.Put, u.Remove)
	if err != nil {
		return rules, mode, invalid(err)
	}
	return rules, mode, nil
}

// changedRule reads a rule that is to be added, or to take the place of the one
// that has its ID.
func (c *Control) changedRule(r ui.Rule) (firewall.Rule, error) {
	if r.ID == "" {
		in, err := ruleIn(r)
		if err == nil {
			err = validate(in)
		}
		return in, err
	}
	old, err := c.find(r.ID)
	if err != nil {
		return old, err
	}
	return replaced(r, old)
}

// nameRules gives rules without an ID one that no stored rule has.
func nameRules(rules []firewall.Rule) {
	for i := range rules {
		if rules[i].ID == "" {
			rules[i].ID = firewall.RuleID("proposed-" + strconv.Itoa(i))
		}
	}
}

func noRule(id string) error {
	return fmt.Errorf("%w: there is no rule %q: list them with: sallyport rules", ui.ErrNotFound, id)
}
