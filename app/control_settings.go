package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// SetMode changes the mode. When asking begins, the programs seen before
// become proposed rules.
func (c *Control) SetMode(ctx context.Context, m firewall.Mode) error {
	if m == firewall.ModeLearn { // it ends by itself always
		return c.SetModeFor(ctx, m, learnFor)
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	u, err := c.modeUpdate(ctx, m)
	if err != nil {
		return err
	}
	_, err = c.update(ctx, u, "mode "+m.String())
	if err != nil && m == firewall.ModeLock && c.state.Load().mode != m {
		return c.lockForNow(ctx, err)
	}
	return err
}

// modeUpdate is what a change of the mode stores.
func (c *Control) modeUpdate(ctx context.Context, m firewall.Mode) (persistence.Update, error) {
	u := persistence.Update{Mode: &m}
	if m == firewall.ModeAsk {
		if err := c.journal.Flush(ctx); err != nil {
			return u, err
		}
		seen, err := c.store.Seen()
		if err != nil {
			return u, err
		}
		for _, s := range seen {
			u.Put = append(u.Put, firewall.Rule{
				Program: s.Program, Direction: s.Direction, Verdict: firewall.Allow, Proposed: true, Note: "seen before asking began", By: firewall.Author{Way: firewall.WaySeen},
			})
			u.Unsee = append(u.Unsee, s.Program)
		}
	}
	return u, nil
}

// lockForNow locks although the mode could not be stored: who locks the
// computer is in need of it.
func (c *Control) lockForNow(ctx context.Context, cause error) error {
	st := *c.state.Load()
	lock := firewall.ModeLock
	st.change(persistence.Update{Mode: &lock})
	what := "mode lock, not stored: " + cause.Error()
	c.note(ctx, what)
	if err := c.enforce(ctx, &st, nil, nil, what); err != nil {
		return errors.Join(err, cause)
	}
	return fmt.Errorf("all traffic is locked, but only until the engine starts again: %w", cause)
}

// Settings returns all settings.
func (c *Control) Settings(context.Context) ([]ui.Setting, error) {
	list, err := c.store.SettingList()
	if err != nil {
		return nil, err
	}
	out := make([]ui.Setting, len(list))
	for i, s := range list {
		out[i] = ui.Setting(s)
	}
	return out, nil
}

// SetSetting stores a setting and puts it into force.
func (c *Control) SetSetting(ctx context.Context, name, value string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	list, err := c.store.SettingList()
	if err != nil {
		return err
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, name) {
		return fmt.Errorf("%w: setting %q: want one of %s", ui.ErrNotFound, name, strings.Join(names, ", "))
	}
	if _, err = c.update(ctx, persistence.Update{Settings: map[string]string{name: value}}, "setting "+name+" = "+value); err != nil {
		return invalid(err)
	}
	return nil
}
