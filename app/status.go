package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

func statusCommand(e *env) *cobra.Command {
	return withJSON(&cobra.Command{
		Use: "status", Short: "Show what the firewall is doing", Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := e.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(s)
			}
			e.showStatus(s)
			return nil
		},
	})
}

func (e *env) showStatus(s ui.Status) {
	t := &table{env: e}
	mode := modeWords(s)
	if s.FirstRun {
		mode += " (nobody chose one yet: programs are only collected; start asking with: sallyport mode ask)"
	}
	t.row("mode", mode)
	backend := s.Backend
	if !s.Enforcing {
		backend += " (nothing is enforced: a demonstration)"
	}
	t.row("backend", backend)
	if s.Cgroup != "" {
		t.row("cgroup", s.Cgroup)
	}
	t.row("questions", fmt.Sprint(s.Prompts))
	t.row("rules", fmt.Sprint(s.Rules))
	if s.Proposed > 0 {
		what := " programs seen"
		if s.Mode == firewall.ModeAsk {
			what = " wait to be confirmed: sallyport rules confirm"
		}
		t.row("proposed", fmt.Sprint(s.Proposed)+what)
	}
	if s.Learned > 0 {
		t.row("learned", fmt.Sprintf("rules are proposed for %d programs: sallyport learn", s.Learned))
	}
	t.row("allowed", fmt.Sprint(s.Allowed))
	t.row("blocked", fmt.Sprint(s.Blocked))
	t.row("log lines", fmt.Sprint(s.LogLines))
	t.row("lost events", fmt.Sprint(s.DroppedEvents))
	if hasNamespaces {
		t.row("other namespaces", fmt.Sprint(s.OtherNamespaces))
	}
	fail := "closed (without an engine, unknown programs stay blocked)"
	if s.Fail == "open" {
		fail = "open (" + failsOpen + ")"
	}
	t.row("fail", fail)
	t.row("version", s.Version)
	for _, n := range s.Notes {
		t.row("note", n)
	}
	t.print()
}
