package app

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func undoCommand(e *env) *cobra.Command {
	var list bool
	var limit int
	var dry *bool
	c := withJSON(&cobra.Command{
		Use: "undo [ID]", Short: "Take back the last change of rules, mode or settings, or another one",
		Long: "Take back the last change of rules, mode or settings, or the one that has the ID.\n" +
			"What it changed becomes what it was before, all of it or nothing. Once more takes\nback the change before. An undo can be taken back by its ID.",
		Example: "  sallyport undo --list\n  sallyport undo\n  sallyport undo 17",
		Args:    arguments(0, 1, "the ID of a change"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, c := cmd.Context(), e.client()
			if limit < 1 || limit > 10_000 {
				return usagef("--limit %d: want 1 to 10000", limit)
			}
			if list {
				if len(args) > 0 {
					return usagef("undo --list takes no ID")
				}
				return e.listChanges(ctx, limit)
			}
			if cmd.Flags().Changed("limit") {
				return usagef("--limit goes with --list")
			}
			if len(args) == 0 {
				id, err := lastChange(ctx, c)
				if err != nil {
					return err
				}
				args = []string{id}
			}
			if *dry {
				return e.forecast(cmd, ui.Proposal{Undo: args[0]})
			}
			change, err := c.Undo(ctx, args[0])
			if err != nil {
				return asUsage(err)
			}
			if e.json {
				return e.printJSON(change)
			}
			fmt.Fprintf(e.out, "undone: %s (change %s)\n", clean(change.What), change.ID)
			return nil
		},
	})
	dry = dryRunFlag(c)
	f := c.Flags()
	f.BoolVar(&list, "list", false, "show the changes instead, newest first")
	f.IntVar(&limit, "limit", 20, "with --list: at most so many")
	return c
}

// lastChange is the ID of the change that undo takes back.
func lastChange(ctx context.Context, c ui.Control) (string, error) {
	before := ""
	for {
		changes, err := c.Changes(ctx, ui.ChangeQuery{Before: before})
		if err != nil {
			return "", err
		}
		if last, ok := ui.LastChange(changes); ok {
			return last.ID, nil
		}
		if len(changes) == 0 {
			return "", fmt.Errorf("there is nothing to undo: list the changes with: sallyport undo --list")
		}
		before = changes[len(changes)-1].ID
	}
}

func (e *env) listChanges(ctx context.Context, limit int) error {
	changes, err := e.client().Changes(ctx, ui.ChangeQuery{Limit: limit})
	if err != nil {
		return err
	}
	t := &table{env: e}
	t.row("ID", "WHEN", "WHO", "BY", "WHAT", "STATE")
	for _, c := range changes {
		if e.json {
			if err := e.printJSON(c); err != nil {
				return err
			}
			continue
		}
		t.row(c.ID, c.Time.Local().Format(time.DateTime), cmp.Or(c.User, "engine"), cmp.Or(c.Way, "?"), c.What, changeState(c))
	}
	switch {
	case e.json:
	case len(changes) == 0:
		fmt.Fprintln(e.out, "nothing was changed yet")
	default:
		t.print()
	}
	return nil
}

func changeState(c ui.Change) string {
	switch {
	case c.Undone != "":
		return "undone by " + c.Undone
	case !c.Undoable:
		return c.Hindered
	}
	return ""
}
