package uitest

import (
	"bytes"
	"context"
	"encoding/json"
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

// Export implements [ui.Control]: one rule a line.
func (c *Control) Export(context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var document []byte
	for _, r := range c.rules {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		document = append(append(document, line...), '\n')
	}
	return document, c.reachable()
}

// Import implements [ui.Control]. It adds rules, or with Replace also removes
// those that the document does not have; it changes none.
func (c *Control) Import(_ context.Context, document []byte, how ui.ImportOptions) (d ui.Difference, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	named := map[string]bool{}
	for i, line := range bytes.Split(bytes.TrimSpace(document), []byte("\n")) {
		var r ui.Rule
		if err := json.Unmarshal(line, &r); err != nil {
			return d, fmt.Errorf("line %d: %w: %w", i+1, err, ui.ErrInvalid)
		}
		named[r.ID] = true
		if !slices.ContainsFunc(c.rules, func(known ui.Rule) bool { return known.ID == r.ID }) {
			d.Added = append(d.Added, r)
		}
	}
	for _, r := range c.rules {
		if how.Replace && !named[r.ID] {
			d.Removed = append(d.Removed, r)
		}
	}
	if how.Apply && len(d.Added)+len(d.Removed) > 0 {
		c.rules = slices.DeleteFunc(append(slices.Clone(c.rules), d.Added...), func(r ui.Rule) bool { return how.Replace && !named[r.ID] })
		c.sent++
		c.changed()
	}
	return d, c.reachable()
}
