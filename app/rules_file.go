package app

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport.dev/sallyport/ui"
)

func exportCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "export FILE", Short: "Write all rules and settings to a file (- is the output)", Args: arguments(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := e.client().Export(cmd.Context())
			if err != nil {
				return err
			}
			if args[0] == "-" {
				_, err = e.out.Write(document)
				return err
			}
			if err := os.WriteFile(args[0], document, 0o600); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			return nil
		},
	}
}

func importCommand(e *env) *cobra.Command {
	var yes bool
	var dry *bool
	c := withJSON(&cobra.Command{
		Use: "import FILE", Short: "Make the rules and settings those of a file (- is the input)", Args: arguments(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := e.readFile(args[0])
			if err != nil {
				return fmt.Errorf("import: %w", err)
			}
			c := e.client()
			d, err := c.Import(cmd.Context(), document, false)
			if err != nil {
				return fmt.Errorf("import %s: %w", args[0], err)
			}
			if e.json && *dry {
				f, err := c.WhatIf(cmd.Context(), ui.Proposal{Import: document})
				if err != nil {
					return err
				}
				return e.printJSON(struct {
					ui.Difference
					Forecast ui.Forecast `json:"forecast"`
				}{d, f})
			}
			if e.json && !yes {
				return usagef("rules import --json goes with --yes or --dry-run")
			}
			if e.json {
				if _, err = c.Import(cmd.Context(), document, true); err != nil {
					return err
				}
				return e.printJSON(d)
			}
			if !e.showDifference(d) {
				fmt.Fprintln(e.out, "nothing to change")
				return nil
			}
			if *dry {
				return e.forecast(cmd, ui.Proposal{Import: document})
			}
			if !yes && !e.agreed("Make these changes? [y/N] ") {
				return fmt.Errorf("nothing was changed: to make these changes, say --yes")
			}
			_, err = c.Import(cmd.Context(), document, true)
			return err
		},
	})
	dry = dryRunFlag(c)
	c.Flags().BoolVar(&yes, "yes", false, "make the changes without asking")
	return c
}

func (e *env) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(e.in)
	}
	return os.ReadFile(name)
}

// showDifference prints what an import changes, and tells if it is anything.
func (e *env) showDifference(d ui.Difference) bool {
	const most = 50
	t := &table{env: e}
	for _, part := range []struct {
		sign  string
		rules []ui.Rule
	}{{"add", d.Added}, {"remove", d.Removed}, {"change", d.Changed}} {
		for i, r := range part.rules {
			if i == most {
				t.row(part.sign, fmt.Sprintf("and %d more", len(part.rules)-most), "", "", "", "")
				break
			}
			t.row(append([]string{part.sign}, ruleRow(r)[:5]...)...)
		}
	}
	t.print()
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		fmt.Fprintf(e.out, "set     %s = %s\n", clean(name), clean(d.Settings[name]))
	}
	fmt.Fprintf(e.out, "%d to add, %d to remove, %d to change, %d settings\n", len(d.Added), len(d.Removed), len(d.Changed), len(d.Settings))
	return len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Settings) > 0
}

// agreed asks on the terminal; without one nobody agrees.
func (e *env) agreed(question string) bool {
	f, ok := e.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	fmt.Fprint(e.err, question)
	line, _ := bufio.NewReader(f).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(line), "y") || strings.EqualFold(strings.TrimSpace(line), "yes")
}
