package app

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func learnCommand(e *env) *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error { return e.listLessons(cmd.Context()) }
	c := withJSON(&cobra.Command{
		Use: "learn", Short: "Show the rules that mode learn proposes, and accept them",
		Long: "Show the rules that mode learn proposes, and accept them. None is in force before.\nLearning begins with: sallyport mode learn --for 4h",
		RunE: list,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("learn has no command %q: want list, accept or discard; learning begins with: sallyport mode learn", args[0])
			}
			return nil
		},
	})
	c.AddCommand(withJSON(&cobra.Command{Use: "list", Short: "Show the proposals", Args: arguments(0, 0, ""), RunE: list}),
		endLessonsCommand(e, "accept", "Make proposals rules", func(ctx context.Context, c ui.Control, ids []string) ([]ui.Rule, error) {
			return c.EndLessons(ctx, ids, nil)
		}),
		endLessonsCommand(e, "discard", "Forget proposals: their programs are asked about", func(ctx context.Context, c ui.Control, ids []string) ([]ui.Rule, error) {
			return c.EndLessons(ctx, nil, ids)
		}))
	return c
}

func (e *env) listLessons(ctx context.Context) error {
	lessons, err := e.client().Lessons(ctx)
	if err != nil {
		return err
	}
	t := &table{env: e}
	t.row("ID", "PROGRAM", "WHERE", "DESTINATIONS", "FLOWS")
	for _, l := range lessons {
		if e.json {
			if err := e.printJSON(l); err != nil {
				return err
			}
			continue
		}
		for _, p := range l.Proposals {
			t.row(p.ID, l.Program, ruleRow(p.Rule)[3], strconv.Itoa(p.Destinations), strconv.FormatUint(p.Count, 10))
		}
	}
	switch {
	case e.json:
	case len(t.rows) == 1:
		fmt.Fprintln(e.out, "nothing is proposed; learning begins with: sallyport mode learn --for 4h")
	default:
		t.print()
	}
	return nil
}

func endLessonsCommand(e *env, name, short string, act func(context.Context, ui.Control, []string) ([]ui.Rule, error)) *cobra.Command {
	var all bool
	c := withJSON(&cobra.Command{
		Use: name + " --all | ID…|PROGRAM…", Short: short, Args: arguments(0, 1<<20, "IDs or programs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usagef("learn %s needs either --all, or IDs or programs: list them with: sallyport learn", name)
			}
			ctx, c := cmd.Context(), e.client()
			if all {
				lessons, err := c.Lessons(ctx)
				if err != nil {
					return err
				}
				for _, l := range lessons {
					for _, p := range l.Proposals {
						args = append(args, p.ID)
					}
				}
			}
			for i := range args {
				args[i] = asWritten(args[i])
			}
			added, err := act(ctx, c, args)
			if err != nil {
				return asUsage(err)
			}
			if e.json {
				for _, r := range added {
					if err := e.printJSON(r); err != nil {
						return err
					}
				}
				return nil
			}
			for _, r := range added {
				e.line([]int{6, 40}, []string{r.ID, clean(describeOut(r))})
			}
			fmt.Fprintf(e.out, "%d rules made\n", len(added))
			return nil
		},
	})
	c.Flags().BoolVar(&all, "all", false, "all of them")
	return c
}
