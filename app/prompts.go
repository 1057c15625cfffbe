package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func promptsCommand(e *env) *cobra.Command {
	var follow bool
	c := withJSON(&cobra.Command{
		Use: "prompts", Short: "Show the open questions", Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, c := cmd.Context(), e.client()
			if !follow {
				ps, err := c.Prompts(ctx)
				if err != nil {
					return err
				}
				if !e.json && len(ps) == 0 {
					fmt.Fprintln(e.out, "no open questions")
				}
				for _, p := range ps {
					if err := e.showPrompt(p); err != nil {
						return err
					}
				}
				return nil
			}
			shown := map[string]ui.Prompt{}
			var failed error
			err := c.Watch(ctx, func(ev ui.Event) {
				if ev.Prompts == nil || failed != nil {
					return
				}
				now := map[string]ui.Prompt{}
				for _, p := range *ev.Prompts {
					now[p.ID] = p
					if !reflect.DeepEqual(shown[p.ID], p) && failed == nil {
						failed = e.showPrompt(p)
					}
				}
				shown = now
			})
			return followed(ctx, cmp.Or(failed, err))
		},
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on, and show each question that comes up or changes")
	e.factsFlag(c)
	return c
}

// followed is how following ended: as it should if the person ended it.
func followed(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

var promptWidths = []int{6, 10, 18, 30, 7}

func (e *env) showPrompt(p ui.Prompt) error {
	if e.json {
		return e.printJSON(p)
	}
	who := cmp.Or(p.Program, p.Name)
	if p.About != "" {
		who += " (" + p.About + ")"
	}
	e.line(promptWidths, []string{clean(p.ID), p.State, clean(who), clean(where(p)), p.Protocol.String(), tries(p)})
	e.showSought(p)
	e.showFacts(p.Warnings, p.Facts)
	return nil
}

// tries says how often the program tried, and when last.
func tries(p ui.Prompt) string {
	text := fmt.Sprintf("%d waiting", p.Waiting)
	if p.Waiting == 0 {
		text = fmt.Sprintf("tried %s, last %s", times(p.Others+1), p.Last.Local().Format(time.DateTime))
	}
	if p.Ended {
		text += ", has ended"
	}
	return text
}

// showSought prints where a question's flows go, where facts were asked for.
func (e *env) showSought(p ui.Prompt) {
	if !e.facts {
		return
	}
	for _, d := range p.Sought {
		place := "to " + d.Protocol.String() + " " + destination(d.Host, d.Remote, d.Port)
		if p.Direction == firewall.In {
			place = fmt.Sprintf("%s at %s port %d", "from "+destination(d.Host, d.Remote, 0), d.Protocol, d.Port)
		}
		fmt.Fprintf(e.out, "    %s, %s\n", clean(place), times(d.Times))
	}
	if p.Elsewhere > 0 {
		fmt.Fprintf(e.out, "    others, %s\n", times(p.Elsewhere))
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (e *env) factsFlag(c *cobra.Command) {
	c.Flags().BoolVar(&e.facts, "facts", false, "say below each what is known of its process; what is worrying begins with !")
}

// showFacts prints what is known of a process, where that was asked for.
func (e *env) showFacts(warnings, facts []string) {
	if !e.facts {
		return
	}
	for _, w := range warnings {
		fmt.Fprintf(e.out, "    ! %s\n", clean(w))
	}
	for _, f := range facts {
		fmt.Fprintf(e.out, "    %s\n", clean(f))
	}
}

// where is what a question is about: where a program wants to connect to, or
// who connects to it, and at which port.
func where(p ui.Prompt) string {
	if p.Direction == firewall.In {
		return fmt.Sprintf("in at port %d from %s", p.Port, destination(p.Host, p.Remote, 0))
	}
	return destination(p.Host, p.Remote, p.Port)
}

// wish says what the program wants, as a part of a question.
func wish(p ui.Prompt) string {
	if p.Direction == firewall.In {
		return fmt.Sprintf("accept connections at port %d, such as from %s", p.Port, destination(p.Host, p.Remote, 0))
	}
	return "connect to " + destination(p.Host, p.Remote, p.Port)
}

// destination is a host or address with its port.
func destination(host, remote string, port uint16) string {
	to := cmp.Or(host, remote)
	if port != 0 {
		to = net.JoinHostPort(to, strconv.Itoa(int(port)))
	}
	return to
}
