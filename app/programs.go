package app

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

func programsCommand(e *env) *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error { return e.listPrograms(cmd.Context()) }
	c := withJSON(&cobra.Command{
		Use: "programs", Short: "Show which files rules were made for, and undo that a new version was taken over", RunE: list,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("programs has no command %q: want list, table or undo", args[0])
			}
			return nil
		},
	})
	c.AddCommand(
		tableCommand(e),
		withJSON(&cobra.Command{Use: "list", Short: "Show the programs that rules name", Args: arguments(0, 0, ""), RunE: list}),
		&cobra.Command{
			Use: "undo PROGRAM", Short: "Ask about the version of PROGRAM that was carried over", Args: arguments(1, 1, "a program, as \"sallyport programs\" lists it"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return asUsage(e.client().UndoCarried(cmd.Context(), asNamed(args[0])))
			},
		})
	return c
}

func (e *env) listPrograms(ctx context.Context) error {
	programs, err := e.client().Identities(ctx)
	if err != nil {
		return err
	}
	t := &table{env: e}
	t.row("PROGRAM", "SINCE", "PROVEN BY", "VERSION", "STATE")
	for _, p := range programs {
		if e.json {
			if err := e.printJSON(p); err != nil {
				return err
			}
			continue
		}
		t.row(programRow(p)...)
	}
	switch {
	case e.json:
	case len(programs) == 0:
		fmt.Fprintln(e.out, "no rule names a program that was met")
	default:
		t.print()
	}
	return nil
}

func programRow(p ui.Identity) []string {
	proof, version, state := cmp.Or(p.Package, p.Signer), p.Version, p.About
	if proof == "" && p.SHA256 != "" {
		proof = "sha256:" + p.SHA256[:min(12, len(p.SHA256))]
	}
	switch {
	case state != "":
	case p.Strict:
		state = "not carried over"
	case p.Carried:
		state = "carried over"
		if p.VersionBefore != p.Version {
			state += " from " + cmp.Or(p.VersionBefore, "?")
		}
	}
	return []string{p.Program, p.Since.Local().Format("2 Jan 2006"), cmp.Or(proof, "nothing yet"), version, state}
}
