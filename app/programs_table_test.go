package app

import (
	"net/netip"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// What the table says is what the rules decide.
func TestTheTableSaysWhatIsDecided(t *testing.T) {
	rule := func(id, program, remote string, d firewall.Direction, v firewall.Verdict) ui.Rule {
		return ui.Rule{ID: id, Program: program, Remote: remote, Direction: d, Verdict: v, Until: "always", Enabled: true}
	}
	rules := []ui.Rule{
		rule("1", "/bin/a", "trusted", firewall.Out, firewall.Allow), rule("2", "/bin/a", "", firewall.Out, firewall.Block),
		rule("3", "/bin/a", "internet", firewall.In, firewall.Ask),
		rule("4", "/bin/b", "", firewall.In, firewall.Allow), rule("5", "/bin/b", "", firewall.In, firewall.Block),
		rule("6", "*", "trusted", firewall.In, firewall.Allow), rule("7", "*", "internet", firewall.Out, firewall.Block),
		rule("8", "/bin/c", "", firewall.Out, firewall.Allow),
	}
	narrow := rule("9", "/bin/c", "trusted", firewall.Out, firewall.Block)
	narrow.Port = 22
	off := rule("10", "/bin/d", "", firewall.Out, firewall.Allow)
	off.Enabled = false
	var in []firewall.Rule
	for _, r := range append(rules, narrow, off) {
		one, err := ruleIn(r)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, one)
	}
	rs, err := firewall.NewRuleset(in...)
	if err != nil {
		t.Fatal(err)
	}
	zones, err := firewall.NewZones(map[netip.Prefix]firewall.Zone{netip.MustParsePrefix("10.0.0.0/8"): firewall.TrustedZone})
	if err != nil {
		t.Fatal(err)
	}
	engine := firewall.NewEngine(rs.In(zones), firewall.ModeAsk, firewall.Options{})
	decided := func(program string, d firewall.Direction, remote string) string {
		a := attempt(program, remote)
		a.Direction = d
		v, ok := engine.Judge(a)
		if !ok {
			return "ask"
		}
		return v.Verdict.String()
	}
	lines := permissionsOf(append(rules, narrow, off), firewall.ModeAsk)
	if len(lines) != 4 || lines[3].Program != "*" {
		t.Fatalf("the table is %+v", lines)
	}
	for _, l := range lines {
		program := l.Program
		if program == "*" {
			program = "/bin/other"
		}
		for what, said := range map[[2]any]string{
			{firewall.Out, "10.0.0.1:80"}: l.Access.Trusted, {firewall.Out, "1.1.1.1:80"}: l.Access.Internet,
			{firewall.In, "10.0.0.1:80"}: l.Server.Trusted, {firewall.In, "1.1.1.1:80"}: l.Server.Internet,
		} {
			if is := decided(program, what[0].(firewall.Direction), what[1].(string)); is != said {
				t.Errorf("%s %v: the table says %s, and it is %s", program, what, said, is)
			}
		}
		if (len(l.Partly) == 1) != (program == "/bin/c") {
			t.Errorf("%s: narrower rules %q", program, l.Partly)
		}
	}
	for m, want := range map[firewall.Mode]string{firewall.ModeLock: "block", firewall.ModeOff: "allow"} {
		for _, l := range permissionsOf(rules, m) {
			if l.Access != (byZone{want, want}) || l.Server != (byZone{want, want}) {
				t.Errorf("mode %s: %+v", m, l)
			}
		}
	}
	pass := rule("11", "/bin/e", "trusted", firewall.Out, firewall.Allow)
	pass.PassLock = true
	mine := rule("12", "/bin/e", "internet", firewall.Out, firewall.Allow)
	mine.User = "1000"
	asks := rule("13", "/bin/e", "", firewall.In, firewall.Ask)
	for m, want := range map[firewall.Mode]permissions{
		firewall.ModeLock:  {Access: byZone{"allow", "block"}, Server: byZone{"block", "block"}},
		firewall.ModeBlock: {Access: byZone{"allow", "block"}, Server: byZone{"block", "block"}},
		firewall.ModeLearn: {Access: byZone{"allow", "allow"}, Server: byZone{"ask", "ask"}},
	} {
		l := permissionsOf([]ui.Rule{pass, mine, asks}, m)[0]
		if l.Access != want.Access || l.Server != want.Server || len(l.Partly) != 1 || l.Partly[0] != "12" {
			t.Errorf("mode %s: %+v", m, l)
		}
	}
}
