package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func explainCommand(e *env) *cobra.Command {
	var program string
	c := withJSON(&cobra.Command{
		Use: "explain [LINE]", Short: "Say why a line of the log came about: by which rule, and what would have happened without it",
		Long:    "Say why a line of the log came about: which rule decided, which facts it matched,\nwho made it and when, and what would have happened without it. LINE is the number\nat the beginning of a line of: sallyport log. Without one it is the newest.",
		Example: "  sallyport explain\n  sallyport explain 4711\n  sallyport explain --program /usr/bin/curl",
		Args:    arguments(0, 1, "the number of a line"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, c := cmd.Context(), e.client()
			if program != "" && len(args) > 0 {
				return usagef("want the number of a line or --program, not both")
			}
			if len(args) == 0 {
				lines, err := c.Log(ctx, ui.LogQuery{Program: program, Limit: 1})
				if err != nil {
					return err
				}
				if len(lines) == 0 {
					return fmt.Errorf("the log has no such line: look at it with: sallyport log")
				}
				args = []string{lines[0].ID}
			}
			x, err := c.Explain(ctx, args[0])
			if err != nil {
				return asUsage(err)
			}
			if e.json {
				return e.printJSON(x)
			}
			if err := e.showLine(x.Line); err != nil {
				return err
			}
			for _, s := range append(x.Sentences, whatToDo(x)...) {
				fmt.Fprintf(e.out, "  %s\n", clean(s))
			}
			return nil
		},
	})
	c.Flags().StringVar(&program, "program", "", "the newest line of this program (its path)")
	return c
}

// whatToDo names the commands that change what decided.
func whatToDo(x ui.Explanation) (hints []string) {
	if x.Rule != nil && x.Since != "removed" {
		hints = append(hints, "change it: sallyport rules change "+x.RuleID)
		if x.Since != "disabled" && x.Rule.Enabled {
			hints = append(hints, "disable it: sallyport rules disable "+x.RuleID)
		}
	}
	if x.Change != nil && x.Change.Undoable {
		hints = append(hints, "undo its last change: sallyport undo "+x.Change.ID)
	}
	return hints
}
