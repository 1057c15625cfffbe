package app

import (
	"context"
	"errors"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// consent is an engine that refuses what weakens the firewall, on a system that
// asks a person for an administrator's consent by starting a program: what is
// refused is done by our own command, which run runs as an administrator.
// Imports stay refused: other programs could change the file meanwhile.
type consent struct {
	ui.Control
	run func(ctx context.Context, command ...string) error
}

// SetMode is part of [ui.Control].
func (c consent) SetMode(ctx context.Context, m firewall.Mode) error {
	err := c.Control.SetMode(ctx, m)
	if errors.Is(err, ui.ErrRefused) {
		return c.run(ctx, "mode", m.String())
	}
	return err
}

// Undo is part of [ui.Control].
func (c consent) Undo(ctx context.Context, id string) (ui.Change, error) {
	change, err := c.Control.Undo(ctx, id)
	if _, wrong := changeID(id); wrong != nil || !errors.Is(err, ui.ErrRefused) {
		return change, err
	}
	if err := c.run(ctx, "undo", id); err != nil {
		return change, err
	}
	all, err := c.Control.Changes(ctx, ui.ChangeQuery{ID: id})
	if err != nil {
		return change, err
	}
	return all[0], nil
}

// SetModeFor is part of [ui.Control].
func (c consent) SetModeFor(ctx context.Context, m firewall.Mode, d time.Duration) error {
	err := c.Control.SetModeFor(ctx, m, d)
	if errors.Is(err, ui.ErrRefused) {
		return c.run(ctx, "mode", m.String(), "--for", d.String())
	}
	return err
}

// SetSetting is part of [ui.Control].
func (c consent) SetSetting(ctx context.Context, name, value string) error {
	err := c.Control.SetSetting(ctx, name, value)
	if errors.Is(err, ui.ErrRefused) && name == "fail" && (value == "open" || value == "closed") {
		return c.run(ctx, "settings", name, value)
	}
	return err
}
