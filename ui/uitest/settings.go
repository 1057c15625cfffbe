package uitest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport.dev/sallyport/ui"
)

// Settings implements [ui.Control].
func (c *Control) Settings(context.Context) ([]ui.Setting, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.settings), c.reachable()
}

// SetSetting implements [ui.Control].
func (c *Control) SetSetting(_ context.Context, name, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	for i, s := range c.settings {
		if s.Name != name {
			continue
		}
		if s.Choices != nil && !slices.Contains(s.Choices, value) {
			return fmt.Errorf("%s: %q is none of %v: %w", name, value, s.Choices, ui.ErrInvalid)
		}
		if _, err := time.ParseDuration(value); s.Choices == nil && err != nil {
			return fmt.Errorf("%s: %q is no time such as 30s or 2h: %w", name, value, ui.ErrInvalid)
		}
		c.settings[i].Value = value
		if name == "fail" {
			c.status.Fail = value
		}
		c.sent++
		c.changed()
		return nil
	}
	return fmt.Errorf("setting %s: %w", name, ui.ErrNotFound)
}

// Export implements [ui.Control].
func (c *Control) Export(context.Context) ([]byte, error) { return nil, ui.ErrRefused }

// Import implements [ui.Control].
func (c *Control) Import(context.Context, []byte, bool) (ui.Difference, error) {
	return ui.Difference{}, ui.ErrRefused
}
