package uitest

import (
	"context"
	"strings"

	"sallyport.dev/sallyport/ui"
)

// Stale implements [ui.Control]: nobody uses what was never used and is not
// built in, and what lies below /gone is gone.
func (c *Control) Stale(context.Context, ui.StaleQuery) ([]ui.StaleRule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var stale []ui.StaleRule
	for _, r := range c.rules {
		one := ui.StaleRule{Rule: r, Unused: r.Hits == 0 && !r.Builtin}
		if strings.HasPrefix(r.Program, "/gone/") {
			one.Gone = r.Program
		}
		if one.Unused || one.Gone != "" {
			stale = append(stale, one)
		}
	}
	return stale, c.reachable()
}
