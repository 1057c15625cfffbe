package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// A mode may end by itself after a time in these bounds.
const (
	shortestMode = time.Second
	longestMode  = 7 * 24 * time.Hour
)

// SetModeFor changes the mode for a time. See [ui.Control].
func (c *Control) SetModeFor(ctx context.Context, m firewall.Mode, d time.Duration) error {
	if err := modeEnds(m, d); err != nil {
		return err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	since := c.clock.wall().UTC().Truncate(time.Second)
	until, _ := c.clock.anchor(firewall.Expiry{At: c.clock.wall().UTC().Round(0).Add(d)}, since, firewall.Allow)
	timed := persistence.TimedMode{Mode: m, Since: since, Until: until}
	_, err := c.update(ctx, persistence.Update{Timed: &timed}, fmt.Sprintf("mode %s for %v, then %s", m, d, c.state.Load().after))
	return err
}

// modeEnds says why a mode may not end by itself after a time; nil if it may.
func modeEnds(m firewall.Mode, d time.Duration) error {
	switch {
	case m == firewall.ModeAsk || m == firewall.ModeLock:
		return fmt.Errorf("%w: mode %s has no end: off, allow, block and learn may have one", ui.ErrInvalid, m)
	case d < shortestMode || d > longestMode:
		return fmt.Errorf("%w: %v: a mode lasts from %v to %d days, or until another is chosen", ui.ErrInvalid, d, shortestMode, longestMode/(24*time.Hour))
	}
	return nil
}

// change takes over what an update says of the mode.
func (st *state) change(u persistence.Update) {
	switch {
	case u.Mode != nil:
		st.mode, st.after, st.timed, st.chosen = *u.Mode, *u.Mode, persistence.TimedMode{}, true
	case u.Timed != nil && *u.Timed == persistence.TimedMode{}:
		st.mode, st.timed = st.after, persistence.TimedMode{}
	case u.Timed != nil:
		st.mode, st.timed = u.Timed.Mode, *u.Timed
	}
}

// resume goes on with the timed mode that an engine before left. What cannot be
// read, or cannot be stored as it is now, is over.
func (c *Control) resume(st *state) {
	timed, err := c.store.TimedMode()
	if err != nil {
		c.notes = append(c.notes, "The mode is "+st.mode.String()+": another, which was to end by itself, could not be read.")
		slog.Error("a timed mode is over", "err", err)
	}
	if timed == (persistence.TimedMode{}) && err == nil {
		return
	}
	what, over := "", err != nil
	if !over {
		var until firewall.Expiry
		until, over = c.clock.anchor(timed.Until, timed.Since, firewall.Allow)
		if until == timed.Until && !over {
			st.change(persistence.Update{Timed: &timed})
			return
		}
		timed.Until = until
		what = fmt.Sprintf("mode %s goes on after the computer's restart", timed.Mode)
	}
	if over {
		what, timed = fmt.Sprintf("mode %s again: a mode that ends by itself is over", st.mode), persistence.TimedMode{}
	}
	u := persistence.Update{Timed: &timed}
	if _, err := c.journal.Update(u, changeBy(by(context.Background(), firewall.WayEnded), what)); err != nil {
		slog.Error(what, "err", err)
		return
	}
	st.change(u)
}

// endMode goes back to the mode before a timed one; the caller holds
// c.changing. If that cannot be stored it is so all the same: the record that
// stays is over.
func (c *Control) endMode() {
	st := *c.state.Load()
	if left, ends := st.timed.Until.Left(c.clock.now(), firewall.Allow); !ends || left > 0 {
		return // another one began meanwhile
	}
	u := persistence.Update{Timed: &persistence.TimedMode{}}
	ctx, what := by(context.Background(), firewall.WayEnded), fmt.Sprintf("mode %s again: %s has ended", st.after, st.mode)
	if _, err := c.update(ctx, u, what); err != nil && c.state.Load().timed != (persistence.TimedMode{}) {
		st.change(u)
		what += ", but that could not be stored: " + err.Error()
		c.note(ctx, what)
		if err := c.enforce(ctx, &st, nil, nil, what); err != nil {
			slog.Error(what, "err", err)
		}
	}
}

// anchorAll gives the ends of rules their place on this start's clocks, and
// tells which rules are other ones by that, and which are over.
func (c *Control) anchorAll(rules []firewall.Rule) (changed []firewall.Rule, over []firewall.RuleID) {
	for i := range rules {
		r := &rules[i]
		until, ended := c.clock.anchor(r.Until, r.Created, r.Verdict)
		if ended {
			over = append(over, r.ID)
		} else if until != r.Until {
			r.Until = until
			changed = append(changed, *r)
		}
	}
	return changed, over
}

// arrived returns the rules of a file that are not over, with their ends on the
// clocks of this start of the computer.
func (c *Control) arrived(rules []firewall.Rule) []firewall.Rule {
	here := make([]firewall.Rule, 0, len(rules))
	for _, r := range rules {
		var ended bool
		if r.Until, ended = c.clock.anchor(r.Until, r.Created, r.Verdict); !ended {
			here = append(here, r)
		}
	}
	return here
}

// arrive returns the stored rules that this start of the computer has, and
// stores what is other by that. Those that are over are not in force even if
// that fails.
func (c *Control) arrive(rules []firewall.Rule) ([]firewall.Rule, error) {
	changed, over := c.anchorAll(rules)
	if len(changed)+len(over) == 0 {
		return rules, nil
	}
	ended := make(map[firewall.RuleID]bool, len(over))
	for _, id := range over {
		ended[id] = true
	}
	var left []firewall.Rule
	what := ""
	for _, r := range rules {
		switch {
		case !ended[r.ID]:
			left = append(left, r)
		case what == "":
			what = "rule " + string(r.ID) + " ended: " + describe(r)
		}
	}
	switch {
	case len(over) == 0:
		what = "rules that end at a time go on after a restart"
	case len(over) > 1:
		what += fmt.Sprintf(", and %d rules more", len(over)-1)
	}
	if _, err := c.journal.Update(persistence.Update{Put: changed, Remove: over}, changeBy(by(context.Background(), firewall.WayEnded), what)); err != nil {
		slog.Error("rules whose time is over stay in the database", "err", err)
	}
	return left, nil
}
