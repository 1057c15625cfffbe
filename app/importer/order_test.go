package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// attempts are connections of each kind that the rules of these tests tell
// apart.
func attempts() (all []firewall.Attempt) {
	for _, program := range []string{"/bin/a", "/bin/b", "/bin/c"} {
		for _, host := range []string{"", "one.example", "two.example"} {
			for _, remote := range []string{"192.0.2.1", "192.0.2.200", "198.51.100.1", "2001:db8::1", "127.0.0.1"} {
				for _, port := range []uint16{25, 80, 443} {
					for _, protocol := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
						a := firewall.Attempt{Program: firewall.Program{Kind: firewall.Executable, Path: program}, Host: host, PID: 1, Time: time.Unix(1, 0)}
						a.Protocol, a.Remote, a.Local = protocol, netip.AddrPortFrom(netip.MustParseAddr(remote), port), netip.MustParseAddrPort("192.0.2.3:40000")
						all = append(all, a)
					}
				}
			}
		}
	}
	return all
}

// compareAll compares what the rules decide with what the other program does:
// nothing is allowed here that is not allowed there, and what is blocked there
// is blocked here. Where that is the other way round, it is listed.
func compareAll(t *testing.T, r Result, file string, there func(firewall.Attempt) (firewall.Verdict, bool)) {
	t.Helper()
	usable(t, r)
	for i := range r.Rules {
		r.Rules[i].ID = firewall.RuleID(fmt.Sprint("r", i))
	}
	rules, err := firewall.NewRuleset(r.Rules...)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attempts() {
		want, decided := there(a)
		d, ok := rules.Decide(a)
		told := slices.ContainsFunc(r.Left, func(l Left) bool { return strings.Contains(l.Why, "also blocks what is allowed before it") })
		switch {
		case ok && d.Verdict == firewall.Allow && !(decided && want == firewall.Allow),
			decided && want == firewall.Block && !(ok && d.Verdict == firewall.Block),
			decided && want == firewall.Allow && !(ok && d.Verdict == firewall.Allow) && !told:
			t.Fatalf("%s %s (%s) %v: %v %v there, %v %v by %s here\n%s\n%s", a.Program.Path, a.Remote, a.Host, a.Protocol, want, decided, d.Verdict, ok, d.Rule, file, words(r))
		}
	}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// The order in which OpenSnitch tries its rules, written down anew.
func snitchVerdict(rules []snitchRule, a firewall.Attempt) (v firewall.Verdict, decided bool) {
	for _, s := range rules {
		if !s.Enabled || slices.ContainsFunc(s.Operator.List, func(o snitchOperator) bool { return !snitchMeets(o, a) }) {
			continue
		}
		if s.Action == "deny" {
			return firewall.Block, true
		}
		if v, decided = firewall.Allow, true; s.Precedence {
			break
		}
	}
	return v, decided
}

func snitchMeets(o snitchOperator, a firewall.Attempt) bool {
	switch o.Operand {
	case "process.path":
		return o.Data == a.Program.Path
	case "dest.host":
		return o.Data == a.Host
	case "dest.port":
		return o.Data == fmt.Sprint(a.Remote.Port())
	case "dest.network":
		return netip.MustParsePrefix(o.Data).Contains(a.Remote.Addr())
	case "protocol":
		name := a.Protocol.String()
		if a.Remote.Addr().Is6() {
			name += "6"
		}
		return o.Data == name
	}
	return true
}

func TestRulesOfOpenSnitchNeverBecomeWider(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		var rules []snitchRule
		var files []snitchFile
		for i := range 1 + r.IntN(6) {
			list := []snitchOperator{{Type: "simple", Operand: "true"}}
			for _, o := range []snitchOperator{
				{Type: "simple", Operand: "process.path", Data: pick(r, "/bin/a", "/bin/b"), Sensitive: true},
				{Type: "simple", Operand: "dest.host", Data: pick(r, "one.example", "two.example")},
				{Type: "simple", Operand: "dest.port", Data: pick(r, "25", "443")},
				{Type: "network", Operand: "dest.network", Data: pick(r, "192.0.2.0/24", "192.0.2.0/25", "2001:db8::/32")},
				{Type: "simple", Operand: "protocol", Data: pick(r, "tcp", "udp6")},
			} {
				if r.IntN(3) == 0 {
					list = append(list, o)
				}
			}
			s := snitchRule{Name: fmt.Sprint(r.IntN(1000), "-", i), Enabled: r.IntN(8) > 0, Precedence: r.IntN(3) == 0, Action: pick(r, "allow", "deny"), Duration: "always",
				Operator: &snitchOperator{Type: "list", Operand: "list", List: list}}
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			rules, files = append(rules, s), append(files, snitchFile{s.Name, text})
		}
		slices.SortFunc(rules, func(a, b snitchRule) int { return cmp.Compare(a.Name, b.Name) })
		have, err := readOpenSnitch(files)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, f := range files {
			fmt.Fprintf(&all, "%s\n", f.text)
		}
		compareAll(t, have, all.String(), func(a firewall.Attempt) (firewall.Verdict, bool) { return snitchVerdict(rules, a) })
	}
}

func TestListsOfPortmasterNeverBecomeWider(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		type entry struct {
			sign, target, ports string
		}
		var entries []entry
		var list []string
		for range 1 + r.IntN(6) {
			e := entry{pick(r, "+", "-"), pick(r, "*", "192.0.2.0/24", "192.0.2.1", "one.example", "two.example", "Localhost", "2001:db8::/32"), pick(r, "", "", "TCP", "*/443", "UDP/25")}
			entries, list = append(entries, e), append(list, strings.TrimSpace(e.sign+" "+e.target+" "+e.ports))
		}
		export := masterExport{Type: "profile", Name: "a", Fingerprints: []masterFingerprint{{"path", "equals", "/bin/a"}},
			Config: map[string]any{"filter": map[string]any{"endpoints": list, "defaultAction": pick(r, "ask", "block", "permit"), "lists": []string{}, "blockLocal": r.IntN(3) == 0}}}
		text, err := json.Marshal(export)
		if err != nil {
			t.Fatal(err)
		}
		have, err := Read(Portmaster, "f", text)
		if err != nil {
			t.Fatal(err)
		}
		filter := export.Config["filter"].(map[string]any)
		compareAll(t, have, string(text), func(a firewall.Attempt) (firewall.Verdict, bool) {
			if a.Program.Path != "/bin/a" {
				return firewall.Block, false
			}
			if filter["blockLocal"] == true && a.Remote.Addr().IsLoopback() {
				return firewall.Block, true
			}
			for _, e := range entries {
				meets := e.target == "*" || e.target == a.Host || e.target == "Localhost" && a.Remote.Addr().IsLoopback()
				if p, err := prefixes(e.target); err == nil && p[0].Contains(a.Remote.Addr()) {
					meets = true
				}
				protocol, port, _ := strings.Cut(e.ports, "/")
				if meets && (protocol == "" || protocol == "*" || strings.EqualFold(protocol, a.Protocol.String())) && (port == "" || port == fmt.Sprint(a.Remote.Port())) {
					return map[string]firewall.Verdict{"+": firewall.Allow, "-": firewall.Block}[e.sign], true
				}
			}
			switch filter["defaultAction"] {
			case "permit":
				return firewall.Allow, true
			case "block":
				return firewall.Block, true
			}
			return firewall.Ask, true
		})
	}
}
