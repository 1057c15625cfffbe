package app

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func logCommand(e *env) *cobra.Command {
	var q ui.LogQuery
	var follow bool
	var since time.Duration
	c := withJSON(&cobra.Command{
		Use: "log", Short: "Show the activity log", Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if v := (firewall.Verdict(0)); q.Verdict != "" && (v.UnmarshalText([]byte(q.Verdict)) != nil || v == firewall.Ask) {
				return usagef("--verdict %q: want allow or block", q.Verdict)
			}
			if q.Limit < 1 || q.Limit > 100_000 {
				return usagef("--limit %d: want 1 to 100000", q.Limit)
			}
			if cmd.Flags().Changed("since") {
				if since <= 0 {
					return usagef("--since %v: want how long ago, such as 1h", since)
				}
				q.Since = time.Now().Add(-since)
			}
			ctx, c := cmd.Context(), e.client()
			shown := false
			last := ""
			show := func(lines []ui.LogLine) error {
				for _, l := range lines {
					last = l.ID
					if err := e.showLine(l); err != nil {
						return err
					}
				}
				return nil
			}
			past := func() error {
				lines, err := c.Log(ctx, q)
				if err != nil {
					return err
				}
				slices.Reverse(lines)
				return show(lines)
			}
			if !follow {
				return past()
			}
			var failed error
			err := c.Watch(ctx, func(ev ui.Event) {
				if failed != nil {
					return
				}
				// The past is read once the watch is on, so that no line is
				// missed between the two; what came twice is left out.
				if !shown {
					shown = true
					failed = past()
				}
				if ev.Lost > 0 {
					fmt.Fprintf(e.err, "sallyport: %d lines came too fast to be shown\n", ev.Lost)
				}
				var fresh []ui.LogLine
				for _, l := range ev.Log {
					if newer(l.ID, last) && (q.Program == "" || l.Program == q.Program) && (q.Verdict == "" || l.Verdict == q.Verdict) {
						fresh = append(fresh, l)
					}
				}
				if failed == nil {
					failed = show(fresh)
				}
			})
			return followed(ctx, cmp.Or(failed, err))
		},
	})
	f := c.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "go on, and show each line as it comes")
	f.StringVar(&q.Program, "program", "", "only this program's lines (its path)")
	f.StringVar(&q.Verdict, "verdict", "", "only lines with this verdict: allow or block")
	f.DurationVar(&since, "since", 0, "only lines of the last while, such as 1h")
	e.factsFlag(c)
	f.IntVar(&q.Limit, "limit", 100, "at most so many lines, the newest")
	return c
}

// newer compares IDs of lines, which are numbers that grow.
func newer(id, than string) bool {
	return cmp.Or(cmp.Compare(len(id), len(than)), cmp.Compare(id, than)) > 0
}

var lineWidths = []int{6, 19, 5, 24, 30, 7}

func (e *env) showLine(l ui.LogLine) error {
	if e.json {
		return e.printJSON(l)
	}
	at := l.Time.Local().Format(time.DateTime)
	if l.Kind == "change" {
		e.line(lineWidths, []string{l.ID, at, "-", clean(cmp.Or(l.Program, l.Name)), clean(l.Note), fmt.Sprintf("uid %d pid %d", l.UID, l.PID)})
		return nil
	}
	why := l.Reason
	if l.Rule != "" {
		why += " " + l.Rule
	}
	if l.Count > 1 {
		why += fmt.Sprintf(" ×%d", l.Count)
	}
	to := destination(l.Host, l.Remote, l.Port)
	if l.Direction == firewall.In {
		to = "from " + to
	}
	e.line(lineWidths, []string{l.ID, at, l.Verdict, clean(cmp.Or(l.Program, l.Name)), clean(to), l.Protocol.String(), clean(why)})
	e.showFacts(l.Warnings, l.Facts)
	return nil
}
