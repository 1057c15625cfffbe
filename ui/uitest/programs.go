package uitest

import (
	"context"
	"fmt"
	"slices"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Know replaces what is known of programs.
func (c *Control) Know(programs ...ui.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.programs = slices.Clone(programs)
}

// Networks implements [ui.Control].
func (c *Control) Networks(context.Context) ([]ui.Network, error) { return nil, nil }

// SetZone implements [ui.Control].
func (c *Control) SetZone(context.Context, string, firewall.Zone) error { return nil }

// Identities implements [ui.Control].
func (c *Control) Identities(context.Context) ([]ui.Identity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.programs), c.reachable()
}

// UndoCarried implements [ui.Control].
func (c *Control) UndoCarried(_ context.Context, program string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	i := slices.IndexFunc(c.programs, func(p ui.Identity) bool { return p.Program == program && p.Carried })
	if i < 0 {
		return fmt.Errorf("nothing was carried over to %s: %w", program, ui.ErrNotFound)
	}
	c.programs[i].Carried, c.programs[i].Strict = false, true
	c.changed()
	return nil
}
