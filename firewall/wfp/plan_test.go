package wfp

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

func executable(path string) firewall.Program {
	return firewall.Program{Kind: firewall.Executable, Path: path}
}

func TestThePlanOfAPolicy(t *testing.T) {
	const curl, telemetry = `C:\Windows\System32\curl.exe`, `C:\Program Files\Vendor\telemetry.exe`
	closed := []string{
		"1 block IPv4",
		"2 allow IPv4 loopback",
		"1 block IPv6",
		"2 allow IPv6 loopback",
	}
	network := slices.Concat(closed, []string{
		"2 allow IPv4 udp from port 68 to port 67",
		"2 allow IPv6 udp from port 546 to port 547",
		"2 allow IPv6 icmp type 133",
		"2 allow IPv6 icmp type 135",
		"2 allow IPv6 icmp type 136",
	})
	everything := Policy{
		Resolvers: []netip.Addr{netip.MustParseAddr("192.168.1.1")},
		Allowed:   []firewall.Program{executable(curl)}, Blocked: []firewall.Program{executable(telemetry)},
	}
	with := func(p Policy, change func(*Policy)) Policy { change(&p); return p }
	for _, test := range []struct {
		name    string
		policy  Policy
		rules   []string
		skipped []string
	}{
		{"the zero policy is closed", Policy{}, network, nil},
		{"fail open has no rules", with(everything, func(p *Policy) { p.FailOpen = true }), nil, nil},
		{"off has no rules", with(everything, func(p *Policy) { p.Mode = firewall.ModeOff }), nil, nil},
		{"a lock permits loopback only", with(everything, func(p *Policy) { p.Mode = firewall.ModeLock }), closed, nil},
		{"a mode that nobody knows is a lock", with(everything, func(p *Policy) { p.Mode = 99 }), closed, nil},
		{"what is allowed by mode is not known to the system", Policy{Mode: firewall.ModeAllow}, network, nil},
		{"each resolver by both protocols, in its own layer, once", Policy{Resolvers: []netip.Addr{
			netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("::ffff:192.168.1.1"), netip.MustParseAddr("fe80::1%12"), {}, netip.IPv4Unspecified(),
		}}, slices.Concat(network, []string{
			"2 allow IPv4 udp to 192.168.1.1 to port 53",
			"2 allow IPv4 tcp to 192.168.1.1 to port 53",
			"2 allow IPv6 udp to fe80::1 to port 53",
			"2 allow IPv6 tcp to fe80::1 to port 53",
		}), nil},
		{"a blocked program weighs more than what all may do", with(everything, func(p *Policy) { p.Resolvers = nil }), slices.Concat(network, []string{
			"2 allow IPv4 program " + curl,
			"2 allow IPv6 program " + curl,
			"3 block IPv4 program " + telemetry,
			"3 block IPv6 program " + telemetry,
		}), nil},
		{"a program without a path is left out and said", Policy{
			Allowed: []firewall.Program{
				{}, {Kind: firewall.Unidentified, Path: curl}, executable(""), executable("curl.exe"), executable(`C:\`), executable("*"),
				{Kind: firewall.Kernel}, {Kind: firewall.Foreign, Path: curl, File: "1:2"},
			},
			Blocked: []firewall.Program{executable("")},
		}, network, []string{
			"unidentified program (allow): it is not known by a path",
			"curl.exe (allow): it is not known by a path",
			"unidentified program (allow): it has no path",
			`curl.exe (allow): "curl.exe" is not the whole path of a file`,
			`unidentified program (allow): "C:\\" is not the whole path of a file`,
			`* (allow): "*" is not the whole path of a file`,
			"Kernel (allow): it is not known by a path",
			"curl.exe (allow): it is not known by a path",
			"unidentified program (block): it has no path",
		}},
		{"a program on a share is named by its path", Policy{Allowed: []firewall.Program{executable(`\\server\share\tool.exe`)}}, slices.Concat(network, []string{
			`2 allow IPv4 program \\server\share\tool.exe`,
			`2 allow IPv6 program \\server\share\tool.exe`,
		}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules, skipped := Plan(test.policy)
			var got []string
			for _, r := range rules {
				got = append(got, r.String())
				if err := r.check(); err != nil {
					t.Errorf("the plan has a rule that cannot be put into force: %v", err)
				}
			}
			if !slices.Equal(got, test.rules) {
				t.Errorf("rules:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.rules, "\n"))
			}
			if !slices.Equal(skipped, test.skipped) {
				t.Errorf("skipped:\n%s\nwant:\n%s", strings.Join(skipped, "\n"), strings.Join(test.skipped, "\n"))
			}
		})
	}
}

func TestOnlyAProgramThatIsAllowedWholeIsPermittedWithoutAnEngine(t *testing.T) {
	rule := func(r firewall.Rule) firewall.Rule {
		r.ID = firewall.RuleID(r.Program + r.Host + r.Remote.String() + r.Verdict.String())
		return r
	}
	at := firewall.Expiry{At: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	rules, err := firewall.NewRuleset(slices.Concat(firewall.BuiltinRules(), []firewall.Rule{
		rule(firewall.Rule{Program: `C:\whole.exe`, Verdict: firewall.Allow}),
		rule(firewall.Rule{Program: `C:\refused.exe`, Verdict: firewall.Block}),
		rule(firewall.Rule{Program: `C:\some.exe`, Verdict: firewall.Allow, Remote: netip.MustParsePrefix("192.0.2.0/24")}),
		rule(firewall.Rule{Program: `C:\save.exe`, Verdict: firewall.Allow}),
		rule(firewall.Rule{Program: `C:\save.exe`, Verdict: firewall.Block, Host: "tracker.example"}),
		rule(firewall.Rule{Program: `C:\timed.exe`, Verdict: firewall.Allow, Until: at}),
		rule(firewall.Rule{Program: `C:\asked.exe`, Verdict: firewall.Ask}),
	})...)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(a firewall.Attempt) (firewall.Decision, bool) {
		d, ok := rules.Decide(a)
		return d, ok && d.Verdict != firewall.Ask
	}
	paths := append(rules.Policy(firewall.ModeAsk, false).Programs, `C:\unknown.exe`, "")
	allowed, blocked := Programs(paths, judge)
	if want := []firewall.Program{executable(`C:\whole.exe`)}; !slices.Equal(allowed, want) {
		t.Errorf("allowed %v, want %v", allowed, want)
	}
	if want := []firewall.Program{executable(`C:\refused.exe`)}; !slices.Equal(blocked, want) {
		t.Errorf("blocked %v, want %v", blocked, want)
	}
}
