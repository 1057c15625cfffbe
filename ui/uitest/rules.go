package uitest

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Rule returns a rule, or false.
func (c *Control) Rule(id string) (ui.Rule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.rules {
		if r.ID == id {
			return r, true
		}
	}
	return ui.Rule{}, false
}

// Rules implements [ui.Control].
func (c *Control) Rules(context.Context) ([]ui.Rule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.rules), c.reachable()
}

// AddRule implements [ui.Control].
func (c *Control) AddRule(_ context.Context, r ui.Rule) (ui.Rule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.valid(r); err != nil {
		return ui.Rule{}, err
	}
	c.nextRule++
	r.ID = "r" + strconv.Itoa(c.nextRule)
	r.Created = Start
	c.record("add rule", r.ID)
	r.By, r.ByUser = "window", "user"
	c.rules = append(c.rules, r)
	c.sent++
	c.changed()
	return r, nil
}

func (c *Control) valid(r ui.Rule) error {
	if err := c.reachable(); err != nil {
		return err
	}
	if r.Program == "" {
		return fmt.Errorf("a rule needs a program: %w", ui.ErrInvalid)
	}
	if r.Port != 0 && !r.Protocol.HasPorts() && r.Protocol != firewall.AnyProtocol {
		return fmt.Errorf("%v has no ports: %w", r.Protocol, ui.ErrInvalid)
	}
	return nil
}

// ChangeRule implements [ui.Control].
func (c *Control) ChangeRule(_ context.Context, r ui.Rule) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.valid(r); err != nil {
		return err
	}
	for i := range c.rules {
		if c.rules[i].ID == r.ID {
			c.record("change rule "+r.ID, r.ID)
			c.rules[i] = r
			c.sent++
			c.changed()
			return nil
		}
	}
	return fmt.Errorf("rule %s: %w", r.ID, ui.ErrNotFound)
}

// RemoveRule implements [ui.Control].
func (c *Control) RemoveRule(_ context.Context, ids ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	c.record("remove rule "+ids[0], ids...)
	n := len(c.rules)
	c.rules = slices.DeleteFunc(slices.Clone(c.rules), func(r ui.Rule) bool { return slices.Contains(ids, r.ID) })
	if len(c.rules) != n-len(ids) {
		c.past = c.past[:len(c.past)-1]
		return fmt.Errorf("rule %s: %w", ids[0], ui.ErrNotFound)
	}
	c.sent++
	c.changed()
	return nil
}

// Confirm implements [ui.Control].
func (c *Control) Confirm(_ context.Context, allow, block []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	var kept []ui.Rule
	for _, r := range c.rules {
		switch {
		case !r.Proposed:
		case slices.Contains(allow, r.ID):
			r.Proposed, r.Verdict = false, firewall.Allow
		case slices.Contains(block, r.ID):
			r.Proposed, r.Verdict = false, firewall.Block
		default:
			continue
		}
		kept = append(kept, r)
	}
	c.rules = kept
	c.sent++
	c.changed()
	return nil
}

// Propose adds rules for programs seen while nothing was asked.
func (c *Control) Propose(programs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range programs {
		c.nextRule++
		c.rules = append(c.rules, ui.Rule{
			ID: "r" + strconv.Itoa(c.nextRule), Program: p, Verdict: firewall.Allow, Until: "always",
			Enabled: true, Proposed: true, Created: Start, Hits: uint64(len(p)),
		})
	}
	c.sent++
	c.changed()
}
