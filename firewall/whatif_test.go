package firewall_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// propose reads a rule, a mode or a removal of a story as what might be, and
// prints what it would have changed of all that the story dialled.
func (s *story) propose(args []string) {
	words, options := parse(args[1:])
	rules, mode := append([]firewall.Rule{}, s.rules...), s.mode
	switch args[0] {
	case "mode":
		if err := mode.UnmarshalText([]byte(words[0])); err != nil {
			s.Fatal(err)
		}
	case "rule":
		r := s.rule(words, options)
		rules = append(without(rules, r.ID), r)
	case "remove":
		rules = without(rules, firewall.RuleID(words[0]))
	}
	then, err := firewall.NewRuleset(rules...)
	if err != nil {
		s.Fatal(err)
	}
	replay := firewall.NewReplay(s.ruleset(), s.mode, then, mode)
	for _, e := range s.log {
		replay.Add(e)
	}
	s.print("of %d connections", replay.Connections())
	for _, f := range replay.Effects() {
		s.print("    %s %s: %d to %d hosts (%s) %s instead of %s", f.Name, f.Direction, f.Connections, f.Hosts, strings.Join(f.Examples, " "), f.After, f.Before)
	}
}

func without(rules []firewall.Rule, id firewall.RuleID) (rest []firewall.Rule) {
	for _, r := range rules {
		if r.ID != id {
			rest = append(rest, r)
		}
	}
	return rest
}

// However many programs and hosts the log has, the memory is bounded, and every
// connection is counted.
func TestAReplayIsBounded(t *testing.T) {
	r := firewall.NewReplay(firewall.Ruleset{}, firewall.ModeAllow, firewall.Ruleset{}, firewall.ModeBlock)
	for i := range 70_000 {
		var e firewall.Entry
		e.Program = firewall.Program{Kind: firewall.Executable, Path: fmt.Sprintf("/build/%d", i%7000)}
		e.Host = fmt.Sprintf("h%d.example", i)
		r.Add(e)
	}
	connections, hosts, others := 0, 0, 0
	for _, f := range r.Effects() {
		connections, hosts = connections+f.Connections, hosts+f.Hosts
		if f.Name == "other programs" {
			others = f.Connections
		}
	}
	if n := len(r.Effects()); n != 5001 || connections != 70_000 || hosts != 50_000 || others != 20_000 {
		t.Errorf("%d effects, %d connections, %d hosts, %d of other programs", n, connections, hosts, others)
	}
}

// What is replayed costs microseconds a line.
func BenchmarkReplay(b *testing.B) {
	var rules []firewall.Rule
	for i := range 1000 {
		rules = append(rules, firewall.Rule{ID: firewall.RuleID(fmt.Sprint("r", i)), Program: fmt.Sprintf("/usr/bin/p%d", i), Verdict: firewall.Allow})
	}
	now, err := firewall.NewRuleset(rules...)
	if err != nil {
		b.Fatal(err)
	}
	then, err := now.Change([]firewall.Rule{{ID: "x", Program: "*", Port: 443, Verdict: firewall.Block}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r := firewall.NewReplay(now, firewall.ModeAsk, then, firewall.ModeAsk)
	var e firewall.Entry
	for i := 0; b.Loop(); i++ {
		e.Program = firewall.Program{Kind: firewall.Executable, Path: fmt.Sprintf("/usr/bin/p%d", i%2000)}
		e.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 443)
		r.Add(e)
	}
}
