package app

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Export returns one readable document with all rules and settings.
func (c *Control) Export(context.Context) ([]byte, error) {
	d, err := c.store.Document()
	if err != nil {
		return nil, err
	}
	return d.Encode()
}

// Import says what the document would change; with apply it does it.
func (c *Control) Import(ctx context.Context, document []byte, apply bool) (ui.Difference, error) {
	d, err := persistence.DecodeDocument(document)
	if err != nil {
		return ui.Difference{}, invalid(err)
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	// What another start of the computer ended is no rule any more.
	_, over := c.anchorAll(d.Rules)
	d.Rules = slices.DeleteFunc(d.Rules, func(r firewall.Rule) bool { return slices.Contains(over, r.ID) })
	now, err := c.store.Document()
	if err != nil {
		return ui.Difference{}, err
	}
	settings, err := c.store.SettingList()
	if err != nil {
		return ui.Difference{}, err
	}
	diff := difference(now, d, settings)
	if !apply {
		return diff, nil
	}
	what := fmt.Sprintf("import: %d rules added, %d removed, %d changed, %d settings changed",
		len(diff.Added), len(diff.Removed), len(diff.Changed), len(diff.Settings))
	put, removed, err := c.journal.Replace(d, changeBy(ctx, what))
	if err != nil {
		return ui.Difference{}, err
	}
	st := *c.state.Load()
	st.change(persistence.Update{Mode: d.Mode})
	if st.settings, err = c.store.Settings(); err != nil {
		return diff, err
	}
	// Reading ten thousand rules takes memory that is not needed any more.
	defer debug.FreeOSMemory()
	return diff, c.enforce(ctx, &st, put, removed, what)
}

// difference lists what a document changes. A setting that it does not name
// becomes its default.
func difference(now, then persistence.Document, settings []persistence.Setting) ui.Difference {
	diff := ui.Difference{Added: []ui.Rule{}, Removed: []ui.Rule{}, Changed: []ui.Rule{}, Settings: map[string]string{}}
	old := make(map[firewall.RuleID]firewall.Rule, len(now.Rules))
	for _, r := range now.Rules {
		old[r.ID] = r
	}
	for _, r := range then.Rules {
		was, ok := old[r.ID]
		delete(old, r.ID)
		switch {
		case !ok || r.ID == "":
			diff.Added = append(diff.Added, ruleOut(r))
		case meaning(was) != meaning(r):
			diff.Changed = append(diff.Changed, ruleOut(r))
		}
	}
	for _, r := range now.Rules {
		if _, left := old[r.ID]; left {
			diff.Removed = append(diff.Removed, ruleOut(r))
		}
	}
	for _, s := range settings {
		value, named := then.Settings[s.Name]
		if !named {
			value = s.Default
		}
		if value != s.Value {
			diff.Settings[s.Name] = value
		}
	}
	if then.Mode != nil && (now.Mode == nil || *now.Mode != *then.Mode) {
		diff.Settings["mode"] = then.Mode.String()
	}
	return diff
}

// meaning is a rule without what its use changes, as a comparable value.
func meaning(r firewall.Rule) firewall.Rule {
	r.Hits, r.LastUsed, r.Created = 0, time.Time{}, time.Time{}
	r.Until.Started, r.Until.At = r.Until.Started.UTC(), r.Until.At.UTC()
	return r
}
