package app

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Export returns a policy file with all rules and settings.
func (c *Control) Export(context.Context) ([]byte, error) {
	d, err := c.store.Document()
	if err != nil {
		return nil, err
	}
	for i := range d.Rules { // who made them, and the clock that nobody can set, are of this computer
		r := &d.Rules[i]
		if r.By = (firewall.Author{}); !r.Until.At.IsZero() {
			r.Until.Boot, r.Until.Uptime = "", 0
		}
	}
	return d.Encode()
}

// Import says what the policy file would change, or does it.
func (c *Control) Import(ctx context.Context, document []byte, how ui.ImportOptions) (ui.Difference, error) {
	file, err := persistence.DecodeDocument(document)
	if err != nil {
		return ui.Difference{}, invalid(err)
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	file.Rules = c.arrived(file.Rules)
	now, err := c.store.Document()
	if err != nil {
		return ui.Difference{}, err
	}
	settings, err := c.store.SettingList()
	if err != nil {
		return ui.Difference{}, err
	}
	d := withPolicy(now, file, how.Replace)
	ctx = by(ctx, firewall.WayImport)
	authors(ctx, now, d)
	diff := difference(now, d, settings)
	if !how.Apply {
		return diff, nil
	}
	what := fmt.Sprintf("import: %d rules added, %d removed, %d changed, %d settings changed",
		len(diff.Added), len(diff.Removed), len(diff.Changed), len(diff.Settings))
	change := changeBy(ctx, what)
	change.Import = true
	put, removed, err := c.journal.Replace(d, change)
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

// authors says who made the rules of a document: those that stay as they are
// have the author that they have, the others come with the import.
func authors(ctx context.Context, now, then persistence.Document) {
	old := make(map[firewall.RuleID]firewall.Rule, len(now.Rules))
	for _, r := range now.Rules {
		old[r.ID] = r
	}
	for i := range then.Rules {
		r := &then.Rules[i]
		was, ok := old[r.ID]
		switch {
		case ok && meaning(was) == meaning(*r):
			r.By = was.By
		case r.Builtin:
			r.By = firewall.Author{}
		default:
			r.By = author(ctx)
		}
	}
}

// difference lists what a document changes. A setting that it does not name
// becomes its default.
func difference(now, then persistence.Document, settings []persistence.Setting) ui.Difference {
	diff := ui.Difference{Added: []ui.Rule{}, Removed: []ui.Rule{}, Changed: []ui.Rule{}, Was: []ui.Rule{}, Settings: map[string]string{}, Notes: then.Notes}
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
			diff.Changed, diff.Was = append(diff.Changed, ruleOut(r)), append(diff.Was, ruleOut(was))
		default:
			diff.Unchanged++
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
	r.Hits, r.LastUsed, r.Created, r.By = 0, time.Time{}, time.Time{}, firewall.Author{}
	r.Until.Started, r.Until.At = r.Until.Started.UTC(), r.Until.At.UTC()
	if !r.Until.At.IsZero() { // where that is on the other clock changes with each start
		r.Until.Boot, r.Until.Uptime = "", 0
	}
	return r
}
