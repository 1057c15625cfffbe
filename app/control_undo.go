package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Changes returns the changes that are kept, newest first.
func (c *Control) Changes(_ context.Context, q ui.ChangeQuery) ([]ui.Change, error) {
	if q.ID != "" {
		p, err := c.pastChange(q.ID)
		if err != nil {
			return nil, err
		}
		return []ui.Change{changeOut(p)}, nil
	}
	if q.Limit < 0 || q.Limit > 10_000 {
		return nil, fmt.Errorf("%w: limit %d: want 1 to 10000", ui.ErrInvalid, q.Limit)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	var before persistence.ChangeID
	if q.Before != "" {
		var err error
		if before, err = changeID(q.Before); err != nil {
			return nil, err
		}
	}
	all, err := c.store.Changes(before, q.Limit)
	if err != nil {
		return nil, err
	}
	out := make([]ui.Change, len(all))
	for i, p := range all {
		out[i] = changeOut(p)
	}
	return out, nil
}

func changeID(s string) (persistence.ChangeID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: change %q: want its number: list them with: sallyport undo --list", ui.ErrInvalid, s)
	}
	return persistence.ChangeID(n), nil
}

func (c *Control) pastChange(id string) (p persistence.PastChange, err error) {
	n, err := changeID(id)
	if err != nil {
		return p, err
	}
	p, ok, err := c.store.PastChange(n)
	if err == nil && !ok {
		err = fmt.Errorf("%w: there is no change %s, or it is too old: list them with: sallyport undo --list", ui.ErrNotFound, id)
	}
	return p, err
}

// Undo takes a change back, all or nothing.
func (c *Control) Undo(ctx context.Context, id string) (ui.Change, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	past, err := c.pastChange(id)
	if err != nil {
		return ui.Change{}, err
	}
	ctx = by(ctx, firewall.WayUndo)
	what := fmt.Sprintf("undo change %d: %s", past.ID, past.Text)
	change := changeBy(ctx, what)
	change.Import = past.Import
	var done persistence.Undone
	err = c.prover.Restore(func() (err error) {
		if done, err = c.journal.Undo(past.ID, change); err != nil {
			return err
		}
		for _, i := range done.Identities {
			c.prover.Put(i)
		}
		return nil
	})
	if err != nil {
		return ui.Change{}, hinderedErr(past, err)
	}
	// A rule that is there again ends by the clocks of this start of the computer.
	there, err := c.arrive(done.Put)
	if err != nil {
		return ui.Change{}, err
	}
	for _, r := range done.Put {
		if !slices.ContainsFunc(there, func(t firewall.Rule) bool { return t.ID == r.ID }) {
			done.Remove = append(done.Remove, r.ID)
		}
	}
	st := *c.state.Load()
	if past.OfMode() {
		if st.mode, st.chosen, err = c.store.Mode(); err != nil {
			return ui.Change{}, err
		}
		if !st.chosen {
			st.mode, st.chosen = c.first, c.first == firewall.ModeAsk
		}
		st.after, st.timed = st.mode, persistence.TimedMode{} // an undo brings no timed mode back
	}
	if len(past.Settings) > 0 {
		if st.settings, err = c.store.Settings(); err != nil {
			return ui.Change{}, err
		}
	}
	if len(past.Networks) > 0 {
		zones, err := c.zones()
		if err != nil {
			return ui.Change{}, err
		}
		st.rules = st.rules.In(zones)
	}
	if err := c.enforce(ctx, &st, there, done.Remove, what); err != nil {
		return ui.Change{}, err
	}
	past, err = c.pastChange(id)
	return changeOut(past), err
}

// hinderedErr says why a change was not taken back, and what to do.
func hinderedErr(p persistence.PastChange, err error) error {
	switch {
	case errors.Is(err, persistence.ErrNoChange):
		return fmt.Errorf("%w: %w", ui.ErrNotFound, err)
	case errors.Is(err, persistence.ErrAutomatic) && p.Way == firewall.WayCarried:
		err = fmt.Errorf("%w: take it back with: sallyport programs undo PATH", err)
	case errors.Is(err, persistence.ErrConflict):
		err = fmt.Errorf("%w: take that back first: sallyport undo --list", err)
	case !errors.Is(err, persistence.ErrAutomatic) && !errors.Is(err, persistence.ErrUndone) && !errors.Is(err, persistence.ErrNothing):
		return err
	}
	return fmt.Errorf("%w: %w", ui.ErrConflict, err)
}

// maxNamed bounds the rules that a change names.
const maxNamed = 100

func changeOut(p persistence.PastChange) ui.Change {
	out := ui.Change{
		ID: strconv.FormatUint(uint64(p.ID), 10), Time: p.Time.UTC(), What: p.Text, Way: string(p.Way), UID: p.UID, PID: p.PID, Program: p.Program,
		Rules: []string{}, Count: len(p.Rules), Import: p.Import, Undoes: numberOut(uint64(p.Undoes)), Undone: numberOut(uint64(p.Undone)),
		Line: numberOut(uint64(p.Line)), Undoable: p.Hindrance == nil,
	}
	if !p.Automatic {
		out.User = userName(p.User)
	}
	for _, r := range p.Rules[:min(len(p.Rules), maxNamed)] {
		out.Rules = append(out.Rules, string(r.ID))
	}
	for _, s := range p.Settings {
		if s.Name == persistence.TimedSetting {
			continue // the text says it
		}
		if out.Before == nil {
			out.Before = map[string]string{}
		}
		out.Before[s.Name] = ""
		if s.Before != nil {
			out.Before[s.Name] = *s.Before
		}
	}
	if p.Hindrance != nil {
		out.Hindered = p.Hindrance.Error()
	}
	return out
}

// numberOut is a number as text, "" for none.
func numberOut(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
