package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func answerCommand(e *env) *cobra.Command {
	a, all := ui.Answer{}, false
	c := withJSON(&cobra.Command{
		Use: "answer ID... allow|block", Short: "Answer open questions", Args: arguments(1, 1000, "the ID of a question or more, or --all, and allow or block"),
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			ids, verdict := args[:last], args[last]
			if err := a.Verdict.UnmarshalText([]byte(verdict)); err != nil || a.Verdict == firewall.Ask {
				return usagef("answer %q: want allow or block", verdict)
			}
			if all != (len(ids) == 0) {
				return usagef("answer: want the IDs of questions, or --all")
			}
			if d, err := time.ParseDuration(a.For); a.For != "once" && a.For != "exit" && a.For != "restart" && a.For != "always" && (err != nil || d <= 0) {
				return usagef("--for %q: want once, exit, restart, always or a duration such as 1h", a.For)
			}
			if _, err := scopeIn(a.Scope); err != nil {
				return usageError{err}
			}
			if all {
				ps, err := e.client().Prompts(cmd.Context())
				if err != nil {
					return err
				}
				for _, p := range ps {
					ids = append(ids, p.ID)
				}
			}
			var failed error
			for _, id := range ids {
				a.ID = id
				if err := e.client().Answer(cmd.Context(), a); err != nil {
					failed = errors.Join(failed, asUsage(err))
					continue
				}
				if err := e.answered(a, len(ids) > 1); err != nil {
					return err
				}
			}
			if len(ids) == 0 && !e.json {
				fmt.Fprintln(e.out, "no open questions")
			}
			return failed
		},
	})
	c.Flags().BoolVar(&all, "all", false, "answer every open question")
	c.Flags().StringVar(&a.For, "for", "always", "how long it holds: once, exit, restart (of the computer), a duration such as 1h, or always")
	c.Flags().StringVar(&a.Scope, "scope", "program", "what it covers: program, host, port, destination, zone (trusted networks, or the internet), product: every version of it by the same verified signer (Windows), or starter: only when started by what started it now")
	return c
}

// answered says that a question is answered, and which, if there are several.
func (e *env) answered(a ui.Answer, several bool) error {
	switch {
	case e.json:
		return e.printJSON(a)
	case several:
		fmt.Fprintf(e.out, "%s: %s\n", clean(a.ID), a.Verdict)
	default:
		fmt.Fprintf(e.out, "%s\n", a.Verdict)
	}
	return nil
}
