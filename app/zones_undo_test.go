package app

import (
	"errors"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// What a network is can be taken back like any other change, also after the
// network was met again, which changes nothing that a person said.
func TestWhatANetworkIsIsTakenBack(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	ctx := t.Context()
	if _, err := r.AddRule(ctx, ui.Rule{Program: "/usr/bin/smb", Verdict: firewall.Allow, Remote: "trusted", Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddRule(ctx, ui.Rule{Program: "/usr/bin/smb", Verdict: firewall.Block, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	dial := func(v firewall.Verdict, why firewall.Reason) {
		t.Helper()
		r.decided(t, r.memory.Dial(attempt("/usr/bin/smb", "192.168.1.9:445")), v, why)
	}
	undo := func() ui.Change {
		t.Helper()
		c := r.last(t)
		if !c.Undoable {
			t.Fatalf("it cannot be taken back: %+v", c)
		}
		if _, err := r.Undo(ctx, c.ID); err != nil {
			t.Fatal(err)
		}
		return c
	}
	r.on(t, home())
	if err := r.SetZone(ctx, home().ID(), firewall.TrustedZone); err != nil {
		t.Fatal(err)
	}
	trusted := r.last(t)
	dial(firewall.Allow, firewall.ByRule)
	x, said := r.explained(t, "/usr/bin/smb")
	says(t, said, "Rule r1 decided: allow /usr/bin/smb to trusted.", "User made it in the windows then.",
		"It matched: program /usr/bin/smb, direction out, zone trusted (192.168.1.9).", "Without it rule r2 would have blocked it.")
	line := x.Line.ID

	r.on(t, cafe())
	r.on(t, home())
	if s := r.whatIf(t, ui.Proposal{Undo: trusted.ID}); s != "smb → 1 connection to 1 host would be blocked, which was allowed (192.168.1.9)" {
		t.Errorf("what would be: %q", s)
	}
	if c := undo(); c.ID != trusted.ID {
		t.Errorf("meeting a network is a change: %+v", c)
	}
	dial(firewall.Block, firewall.ByRule)
	if ns, err := r.Networks(ctx); err != nil || len(ns) != 2 || ns[0].Zone != firewall.AnyZone || !ns[0].Here {
		t.Errorf("networks %+v, %v", ns, err)
	}
	if _, after := r.explainedLine(t, line); after != said {
		t.Errorf("it is said now\n%s", after)
	}
	undo()
	dial(firewall.Allow, firewall.ByRule)

	if err := r.SetZone(ctx, "192.168.1.9", firewall.BlockedZone); err != nil {
		t.Fatal(err)
	}
	blocked := r.last(t)
	dial(firewall.Block, firewall.ByZone)
	_, said = r.explained(t, "/usr/bin/smb")
	says(t, said, "No rule decided: nothing is exchanged with the zone of blocked addresses.")
	if err := r.SetZone(ctx, "192.168.1.9", firewall.InternetZone); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Undo(ctx, blocked.ID); !errors.Is(err, ui.ErrConflict) {
		t.Errorf("a change that another came on top of: %v", err)
	}
	dial(firewall.Block, firewall.ByRule)
	undo()
	dial(firewall.Block, firewall.ByZone)
	if err := r.SetZone(ctx, "192.168.1.9/32", firewall.AnyZone); err != nil {
		t.Fatal(err)
	}
	dial(firewall.Allow, firewall.ByRule)
	undo()
	dial(firewall.Block, firewall.ByZone)
}
