package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/ui"
)

// dryRunFlag lets a command only say what it would change.
func dryRunFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("dry-run", false, "change nothing; say what it would have changed in the last 7 days of the log")
}

// forecast prints what a change would have changed.
func (e *env) forecast(cmd *cobra.Command, p ui.Proposal) error {
	f, err := e.client().WhatIf(cmd.Context(), p)
	if err != nil {
		return asUsage(err)
	}
	if e.json {
		return e.printJSON(f)
	}
	for _, s := range f.Sentences() {
		fmt.Fprintln(e.out, clean(s))
	}
	return nil
}
