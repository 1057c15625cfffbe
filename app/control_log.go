package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Log returns matching lines, newest first.
func (c *Control) Log(ctx context.Context, q ui.LogQuery) ([]ui.LogLine, error) {
	query, err := queryIn(q)
	if err != nil {
		return nil, err
	}
	lines, err := c.store.Log(ctx, query)
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
		out.Verdict, q.Verdict = &v, v.String()
	}
	if q.Verdict != "" || q.Text != "" {
		out.Text, q.Program, q.Since = q.Text, "", time.Time{} // the store has looked at the others
		out.Match = func(l persistence.Line) bool { return q.Matches(lineOut(l)) }
	}
	return out, nil
}
