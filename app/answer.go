package app

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func answerCommand(e *env) *cobra.Command {
	a := ui.Answer{}
	c := &cobra.Command{
		Use: "answer ID allow|block", Short: "Answer an open question", Args: arguments(2, 2, "the ID of a question, and allow or block"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.ID = args[0]
			if err := a.Verdict.UnmarshalText([]byte(args[1])); err != nil || a.Verdict == firewall.Ask {
				return usagef("answer %q: want allow or block", args[1])
			}
			if d, err := time.ParseDuration(a.For); a.For != "once" && a.For != "exit" && a.For != "always" && (err != nil || d <= 0) {
				return usagef("--for %q: want once, exit, always or a duration such as 1h", a.For)
			}
			if _, err := scopeIn(a.Scope); err != nil {
				return usageError{err}
			}
			if err := e.client().Answer(cmd.Context(), a); err != nil {
				return asUsage(err)
			}
			fmt.Fprintf(e.out, "%s\n", a.Verdict)
			return nil
		},
	}
	c.Flags().StringVar(&a.For, "for", "always", "how long it holds: once, exit, a duration such as 1h, or always")
	c.Flags().StringVar(&a.Scope, "scope", "program", "what it covers: program, host, port, destination, zone (trusted networks, or the internet), or product: every version of it by the same verified signer (Windows)")
	return c
}
