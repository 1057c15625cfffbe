package uitest

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// past is a change, and what there was before it.
type past struct {
	ui.Change
	rules []ui.Rule
	mode  firewall.Mode
}

// record keeps what there is before a change; c.mu is held.
func (c *Control) record(what string, rules ...string) {
	c.past = append(c.past, past{
		Change: ui.Change{ID: strconv.Itoa(len(c.past) + 1), Time: Start, What: what, Way: "window", User: "user", UID: 1000, Rules: rules, Count: len(rules), Undoable: true},
		rules:  slices.Clone(c.rules), mode: c.status.Mode,
	})
}

// Changes implements [ui.Control].
func (c *Control) Changes(_ context.Context, q ui.ChangeQuery) ([]ui.Change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []ui.Change
	for _, p := range slices.Backward(c.past) {
		if q.ID == "" || q.ID == p.ID {
			all = append(all, p.Change)
		}
	}
	return all, c.reachable()
}

// Undo implements [ui.Control]. Only the newest change can be taken back.
func (c *Control) Undo(_ context.Context, id string) (ui.Change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return ui.Change{}, err
	}
	i := slices.IndexFunc(c.past, func(p past) bool { return p.ID == id })
	if i < 0 {
		return ui.Change{}, fmt.Errorf("there is no change %q: %w", id, ui.ErrNotFound)
	}
	p := &c.past[i]
	if !p.Undoable {
		return ui.Change{}, fmt.Errorf("%w: it was taken back already", ui.ErrConflict)
	}
	c.rules, c.status.Mode = p.rules, p.mode
	p.Undoable, p.Undone = false, strconv.Itoa(len(c.past)+1)
	undone := p.Change
	c.sent++
	c.changed()
	return undone, nil
}

// Explain implements [ui.Control].
func (c *Control) Explain(ctx context.Context, line string) (ui.Explanation, error) {
	lines, err := c.Log(ctx, ui.LogQuery{})
	if err != nil {
		return ui.Explanation{}, err
	}
	for _, l := range lines {
		if l.ID != line {
			continue
		}
		x := ui.Explanation{Line: l, RuleID: l.Rule, Sentences: []string{"No rule decided: the mode was ask."}}
		if l.Kind == "change" && l.Change != "" {
			all, err := c.Changes(ctx, ui.ChangeQuery{ID: l.Change})
			if err != nil || len(all) == 0 {
				return x, err
			}
			x.Change, x.Sentences = &all[0], []string{"User changed this in the windows."}
		}
		if r, ok := c.Rule(l.Rule); ok {
			x.Rule = &r
			x.Sentences = []string{"Rule " + r.ID + " decided: " + r.Verdict.String() + " " + r.Program + ".", "User made it by an answer on 14 Mar 2026, 08:00:00.",
				"It matched: program " + r.Program + ", direction out.", "Without it a person would have been asked."}
			c.mu.Lock()
			for _, p := range slices.Backward(c.past) {
				if slices.Contains(p.Rules, r.ID) && x.Change == nil {
					change := p.Change
					x.Change = &change
				}
			}
			c.mu.Unlock()
		}
		return x, nil
	}
	return ui.Explanation{}, fmt.Errorf("line %q: %w", line, ui.ErrNotFound)
}

// WhatIf implements [ui.Control]: whatever is proposed concerns firefox.
func (c *Control) WhatIf(_ context.Context, p ui.Proposal) (ui.Forecast, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := ui.Forecast{Since: Start.AddDate(0, 0, -7), Connections: 18745, Complete: true}
	f.Effects = []ui.Effect{
		{Program: "/usr/lib/firefox/firefox", Name: "firefox", Before: firewall.Allow, After: firewall.Block, Connections: 3, Hosts: 2, Examples: []string{"example.org", "www.example.org"}},
		{Program: "/usr/bin/curl", Name: "curl", Before: firewall.Allow, After: firewall.Ask, Connections: 1, Hosts: 1, Examples: []string{"192.0.2.7"}},
	}
	return f, c.reachable()
}
