package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Log returns matching lines, newest first.
func (c *Control) Log(_ context.Context, q ui.LogQuery) ([]ui.LogLine, error) {
	query, err := queryIn(q)
	if err != nil {
		return nil, err
	}
	lines, err := c.store.Log(query)
	if err != nil {
		return nil, err
	}
	out := make([]ui.LogLine, len(lines))
	for i, l := range lines {
		out[i] = lineOut(l)
	}
	return out, nil
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
