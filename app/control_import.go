package app

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
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
	now, err := c.store.Document()
	if err != nil {
		return ui.Difference{}, err
	}
	diff := difference(now, d)
	if !apply {
		return diff, nil
	}
	if err := c.store.Replace(d); err != nil {
		return ui.Difference{}, err
	}
	st, err := c.load(c.state.Load().mode)
	if err != nil {
		return diff, err
	}
	st.chosen = st.chosen && (d.Mode != nil || c.state.Load().chosen)
	return diff, c.enforce(ctx, st, fmt.Sprintf("import: %d rules added, %d removed, %d changed, %d settings changed",
		len(diff.Added), len(diff.Removed), len(diff.Changed), len(diff.Settings)))
}

// difference lists what a document changes.
func difference(now, then persistence.Document) ui.Difference {
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
		case !reflect.DeepEqual(meaning(was), meaning(r)):
			diff.Changed = append(diff.Changed, ruleOut(r))
		}
	}
	for _, r := range now.Rules {
		if _, left := old[r.ID]; left {
			diff.Removed = append(diff.Removed, ruleOut(r))
		}
	}
	for name, value := range then.Settings {
		if now.Settings[name] != value {
			diff.Settings[name] = value
		}
	}
	if then.Mode != nil && (now.Mode == nil || *now.Mode != *then.Mode) {
		diff.Settings["mode"] = then.Mode.String()
	}
	return diff
}

// meaning is a rule without what its use changes.
func meaning(r firewall.Rule) ui.Rule {
	out := ruleOut(r)
	out.Hits, out.LastUsed, out.Created = 0, nil, time.Time{}
	return out
}

// queryIn reads what lines of the log are wanted.
func queryIn(q ui.LogQuery) (persistence.Query, error) {
	out := persistence.Query{Program: q.Program, Since: q.Since, Limit: q.Limit}
	if q.Limit < 0 || q.Limit > 100_000 {
		return out, fmt.Errorf("%w: limit %d: want 1 to 100000", ui.ErrInvalid, q.Limit)
	}
	if q.Before != "" {
		id, err := strconv.ParseUint(q.Before, 10, 64)
		if err != nil {
			return out, fmt.Errorf("%w: before %q: want the id of a line", ui.ErrInvalid, q.Before)
		}
		out.Before = persistence.LineID(id)
	}
	if q.Verdict != "" {
		var v firewall.Verdict
		if err := v.UnmarshalText([]byte(q.Verdict)); err != nil {
			return out, invalid(err)
		}
	}
	if q.Verdict != "" || q.Text != "" {
		text := strings.ToLower(q.Text)
		out.Match = func(l persistence.Line) bool {
			line := lineOut(l)
			return matches(line, q.Verdict, text)
		}
	}
	return out, nil
}

// matches tells whether a line has the verdict and holds the text, which is in
// lower case.
func matches(l ui.LogLine, verdict, text string) bool {
	if verdict != "" && l.Verdict != strings.ToLower(verdict) {
		return false
	}
	for _, s := range []string{l.Program, l.Host, l.Remote, strconv.Itoa(int(l.Port)), l.Note} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}
