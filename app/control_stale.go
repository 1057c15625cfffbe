package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"sallyport.dev/sallyport/ui"
)

// Stale returns the rules that decided nothing for long, and those whose
// program is gone.
func (c *Control) Stale(ctx context.Context, q ui.StaleQuery) ([]ui.StaleRule, error) {
	if q.Unused < 0 {
		return nil, fmt.Errorf("%w: unused for %v: want how long", ui.ErrInvalid, q.Unused)
	}
	if err := c.journal.Flush(ctx); err != nil {
		return nil, err
	}
	rules, err := c.store.Rules()
	if err != nil {
		return nil, err
	}
	now, missing := time.Now(), map[string]bool{}
	out := []ui.StaleRule{}
	for _, r := range rules {
		one := ui.StaleRule{Unused: r.Unused(now, cmp.Or(q.Unused, ui.UnusedFor))}
		if file := r.File(); file != "" && !r.Builtin {
			if _, looked := missing[file]; !looked {
				missing[file] = isMissing(file)
			}
			if missing[file] {
				one.Gone = file
			}
		}
		if one.Unused || one.Gone != "" {
			one.Rule = ruleOut(r)
			out = append(out, one)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, nil
}

// isMissing tells whether there is no file at a path. What cannot be looked at
// may be there; a share, which may not answer, is not looked at.
func isMissing(path string) bool {
	if strings.HasPrefix(path, `\\`) {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
