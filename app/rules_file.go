package app

import (
	"bufio"
	"fmt"
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
		Use: "export FILE", Short: "Write all rules and settings to a policy file (- is the output)", Args: arguments(1, 1, "a file"),
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
	var how ui.ImportOptions
	var yes, dryRun bool
	var from string
	c := withJSON(&cobra.Command{
		Use: "import FILE", Short: "Take rules and settings from a policy file (- is the input), or rules from another firewall's files", Args: arguments(1, 1, "a file"),
		Long: "Take rules and settings from a policy file (- is the input), or rules from the files of\n" +
			"another firewall: the folder of OpenSnitch's rules, simplewall's profile.xml, a profile\n" +
			"that Portmaster exported. What it changes is shown first, and what is left out.\n" +
			"Rules and settings that the file does not name stay, unless --replace is said.",
		Example: "  sallyport rules import policy.toml --dry-run\n" +
			"  sallyport rules import policy.toml --replace --yes\n" +
			"  sallyport rules import /etc/opensnitchd/rules --from opensnitch",
		RunE: func(cmd *cobra.Command, args []string) error {
			if yes && dryRun {
				return usagef("--yes and --dry-run exclude each other")
			}
			if e.json && !yes && !dryRun {
				return usagef("rules import --json asks nothing: say --dry-run or --yes")
			}
			kind, err := importKind(from)
			if err != nil {
				return usageError{err}
			}
			in, err := e.readImport(args[0], kind)
			if err != nil {
				return fmt.Errorf("import %s: %w", args[0], err)
			}
			if in.From != "" && how.Replace {
				return usagef("--replace is for policy files: what is of %s is added to the rules", in.From)
			}
			c := e.client()
			d, err := c.Import(cmd.Context(), in.document, how)
			if err != nil {
				return fmt.Errorf("import %s: %w", args[0], err)
			}
			in.Difference = d
			if dryRun {
				return e.forecastImport(cmd, in, how)
			}
			changes := len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Settings) > 0
			if e.json {
				err = e.printJSON(in)
			} else {
				e.showDifference(in, how)
			}
			if err != nil || !changes {
				return err
			}
			if !yes && !e.agreed("Make these changes? [y/N] ") {
				return fmt.Errorf("nothing was changed: to make these changes, say --yes")
			}
			how.Apply = true
			_, err = c.Import(cmd.Context(), in.document, how)
			return err
		},
	})
	f := c.Flags()
	f.StringVar(&from, "from", "", "whose file it is: sallyport, opensnitch, simplewall or portmaster; told by its content if not said")
	f.BoolVar(&how.Replace, "replace", false, "remove what the file does not name: rules, and settings that become their default")
	f.BoolVar(&dryRun, "dry-run", false, "change nothing; show what would change, and what it would have changed in the last 7 days of the log")
	f.BoolVar(&yes, "yes", false, "make the changes without asking")
	return c
}

// forecastImport prints what an import changes, and would have changed.
func (e *env) forecastImport(cmd *cobra.Command, in imported, how ui.ImportOptions) error {
	p := ui.Proposal{Import: in.document, Replace: how.Replace}
	if !e.json {
		e.showDifference(in, how)
		return e.forecast(cmd, p)
	}
	f, err := e.client().WhatIf(cmd.Context(), p)
	if err != nil {
		return err
	}
	return e.printJSON(struct {
		imported
		Forecast ui.Forecast `json:"forecast"`
	}{in, f})
}

// showDifference prints what an import changes.
func (e *env) showDifference(in imported, how ui.ImportOptions) {
	const most = 50
	d := in.Difference
	t := &table{env: e}
	for _, part := range []struct {
		sign  string
		rules []ui.Rule
	}{{"add", d.Added}, {"remove", d.Removed}, {"change", d.Changed}} {
		for i, r := range part.rules {
			if i == most {
				t.row(part.sign, fmt.Sprintf("and %d more", len(part.rules)-most))
				break
			}
			if part.sign == "change" {
				t.row(append([]string{"from"}, changeRow(d.Was[i])...)...)
				t.row(append([]string{"to"}, changeRow(r)...)...)
				continue
			}
			t.row(append([]string{part.sign}, changeRow(r)...)...)
		}
	}
	t.print()
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		fmt.Fprintf(e.out, "set     %s = %s\n", clean(name), clean(d.Settings[name]))
	}
	for _, note := range d.Notes {
		fmt.Fprintln(e.out, "note:", clean(note))
	}
	for _, l := range in.Left {
		fmt.Fprintf(e.out, "left    %s: %s: %s\n", clean(l.Where), clean(l.What), clean(l.Why))
	}
	kept := "as it is (without --replace, what the file does not name stays)"
	if how.Replace {
		kept = "as it is"
	}
	fmt.Fprintf(e.out, "%d to add, %d to remove, %d to change, %d settings; %d %s\n",
		len(d.Added), len(d.Removed), len(d.Changed), len(d.Settings), d.Unchanged, kept)
	if len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Settings) == 0 {
		fmt.Fprintln(e.out, "nothing to change")
	}
}

// changeRow is a rule as a row of a difference: what a person decides of it.
func changeRow(r ui.Rule) []string {
	row := ruleRow(r)
	return append(row[:6:6], row[7])
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
