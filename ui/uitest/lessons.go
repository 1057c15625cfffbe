package uitest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Teach sets what mode learn let pass.
func (c *Control) Teach(lessons ...ui.Lesson) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lessons = lessons
	c.status.Learned = len(lessons)
	c.changed()
}

// SetModeFor implements [ui.Control].
func (c *Control) SetModeFor(_ context.Context, m firewall.Mode, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	until, after := Start.Add(d), c.status.Mode
	if c.status.ModeAfter != nil {
		after = *c.status.ModeAfter
	}
	c.status.Mode, c.status.ModeUntil, c.status.ModeAfter = m, &until, &after
	c.changed()
	return nil
}

// ReportIdle implements [ui.Control].
func (c *Control) ReportIdle(context.Context, time.Duration) error { return nil }

// Lessons implements [ui.Control].
func (c *Control) Lessons(context.Context) ([]ui.Lesson, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lessons), c.reachable()
}

// EndLessons implements [ui.Control]. It names proposals by their ID only.
func (c *Control) EndLessons(_ context.Context, accept, discard []string) (added []ui.Rule, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return nil, err
	}
	var left []ui.Lesson
	for _, l := range c.lessons {
		var rest []ui.ProposedRule
		for _, p := range l.Proposals {
			switch {
			case slices.Contains(accept, p.ID):
				c.nextRule++
				p.Rule.ID, p.Rule.Learned = fmt.Sprintf("r%d", c.nextRule), true
				c.rules = append(c.rules, p.Rule)
				added = append(added, p.Rule)
			case !slices.Contains(discard, p.ID):
				rest = append(rest, p)
			}
		}
		if l.Proposals = rest; len(rest) > 0 {
			left = append(left, l)
		}
	}
	c.lessons, c.status.Learned = left, len(left)
	c.changed()
	return added, nil
}
