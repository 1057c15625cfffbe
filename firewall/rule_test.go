package firewall

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// FuzzNarrowness takes a condition from a rule: it must then decide later.
// The order must be one that rules can be sorted by.
func FuzzNarrowness(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b, c := randomRule(r, 1), randomRule(r, 2), randomRule(r, 3)
		if compare(a, b) != -compare(b, a) || compare(a, a) != 0 || compare(a, b) == 0 {
			t.Fatalf("not a total order: %+v, %+v", a, b)
		}
		if compare(a, b) < 0 && compare(b, c) < 0 && compare(a, c) >= 0 {
			t.Fatalf("not transitive: %+v, %+v, %+v", a, b, c)
		}
		for i, drop := range []func(*Rule){
			func(r *Rule) { r.Program = AnyProgram }, func(r *Rule) { r.Protocol = AnyProtocol },
			func(r *Rule) { r.Remote = netip.Prefix{} }, func(r *Rule) { r.Place = AnyPlace },
			func(r *Rule) { r.Host = "" }, func(r *Rule) { r.Port = 0 },
			func(r *Rule) { r.LocalPort = 0 }, func(r *Rule) { r.Until = Expiry{} },
			func(r *Rule) { r.StartedBy = "" },
		} {
			wider := a
			drop(&wider)
			untilOnly := a.Until.Exit == wider.Until.Exit // an end in time is no condition
			if wider != a && !(i == 7 && untilOnly) && compare(a, wider) >= 0 {
				t.Fatalf("wider and yet not later: %+v, %+v", a, wider)
			}
		}
	})
}

// FuzzValidate: nothing makes Validate or a valid rule panic, and an empty
// program is never valid.
func FuzzValidate(f *testing.F) {
	f.Add("id", "/usr/bin/curl", "example.com", "10.0.0.0/8", uint8(6), uint16(443), uint8(1), int64(0), 0)
	f.Add("builtin-x", "*", "", "", uint8(0), uint16(0), uint8(0), int64(1), 1)
	f.Add("", "", "10.0.0.1", "::ffff:1.1.1.1/128", uint8(58), uint16(1), uint8(9), int64(-1), -1)
	f.Add("x", "foreign:8:1:2:/bin/a", "EXAMPLE.com.", "10.0.0.1/8", uint8(1), uint16(9), uint8(2), int64(5), 5)
	f.Add("x", `service:wuauserv:C:\Windows\System32\svchost.exe`, "", "", uint8(0), uint16(0), uint8(1), int64(0), 0)
	f.Add("x", "signer:A/product:B/product:C", "", "", uint8(0), uint16(0), uint8(1), int64(0), 0)
	f.Add("x", "snap:a/bin/a", "", "", uint8(0), uint16(0), uint8(1), int64(0), 0)
	f.Add("x", "inline:sh:/bin/dash", "", "", uint8(0), uint16(0), uint8(1), int64(5), 5)
	f.Add("x", "script:sh:/a", "", "", uint8(0), uint16(0), uint8(1), int64(0), 0)
	f.Add("x", "package:A_8wekyb3d8bbwe", "", "", uint8(0), uint16(0), uint8(1), int64(0), 0)
	f.Fuzz(func(t *testing.T, id, program, host, prefix string, protocol uint8, port uint16, verdict uint8, at int64, pid int) {
		r := Rule{ID: RuleID(id), Program: program, Host: host, Protocol: Protocol(protocol), Port: port, Verdict: Verdict(verdict)}
		r.Remote, _ = netip.ParsePrefix(prefix)
		r.Until = Expiry{Exit: pid > 0, PID: pid, Started: time.Unix(at, 0), At: time.Unix(at, 0)}
		err := r.Validate()
		rs, err2 := NewRuleset(r)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("Validate says %v, NewRuleset %v", err, err2)
		}
		if err == nil && r.Program == "" {
			t.Fatal("a rule for no program is valid")
		}
		rs.Decide(Attempt{Program: Program{Kind: Executable, Path: program}, Host: host})
	})
}

func TestValidateSaysWhatIsWrong(t *testing.T) {
	good := Rule{ID: "x", Program: "/bin/a"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		want   string
		change func(*Rule)
	}{
		{"no id", func(r *Rule) { r.ID = "" }},
		{"built-in", func(r *Rule) { r.Builtin = true }},
		{"built-in", func(r *Rule) { r.ID = "builtin-mine" }},
		{"no program", func(r *Rule) { r.Program = "" }},
		{"absolute path", func(r *Rule) { r.Program = "curl" }},
		{"absolute path", func(r *Rule) { r.Program = "/bin/\x00" }},
		{"at most", func(r *Rule) { r.Program = "/" + strings.Repeat("a", maxProgram) }},
		{"want a service", func(r *Rule) { r.Program = `service:C:\Windows\System32\svchost.exe` }},
		{"want a service", func(r *Rule) { r.Program = `service::C:\Windows\System32\svchost.exe` }},
		{"want a service", func(r *Rule) { r.Program = "service:wuauserv" }},
		{"want a service", func(r *Rule) { r.Program = "service:wuauserv:svchost.exe" }},
		{"want a service", func(r *Rule) { r.Program = "service:a/b:/bin/a" }},
		{"want a service", func(r *Rule) { r.Program = "service:" + strings.Repeat("a", 257) + ":/bin/a" }},
		{"want a package", func(r *Rule) { r.Program = "package:Acme" }},
		{"want a package", func(r *Rule) { r.Program = "package:snap:a/bin/a" }},
		{"want a package", func(r *Rule) { r.Program = "snap:a" }},
		{"want a package", func(r *Rule) { r.Program = "flatpak:" }},
		{"want a package", func(r *Rule) { r.Program = "nix:a//b" }},
		{"want an absolute path", func(r *Rule) { r.Program = "deb:a/b" }},
		{"want a package", func(r *Rule) { r.Program = "package:_8wekyb3d8bbwe" }},
		{"want a package", func(r *Rule) { r.Program = "package:Acme*_8wekyb3d8bbwe" }},
		{"want a package", func(r *Rule) { r.Program = "package:Acme_1.2.3.0_x64__8wekyb3d8bbwe" }},
		{"want a package", func(r *Rule) { r.Program = "package:" + strings.Repeat("a", 60) + "_8wekyb3d8bbwe" }},
		{"want signer and product", func(r *Rule) { r.Program = "signer:Acme" }},
		{"want signer and product", func(r *Rule) { r.Program = "signer:/product:A" }},
		{"want signer and product", func(r *Rule) { r.Program = "signer:Acme/product:" }},
		{"want signer and product", func(r *Rule) { r.Program = "signer: Acme/product:A" }},
		{"want signer and product", func(r *Rule) { r.Program = "signer:Acme\n/product:A" }},
		{"10.0.0.0/8 is meant", func(r *Rule) { r.Remote = netip.MustParsePrefix("10.0.0.1/8") }},
		{"IPv4", func(r *Rule) { r.Remote = netip.MustParsePrefix("::ffff:1.1.1.1/128") }},
		{"not an address", func(r *Rule) { r.Remote = netip.PrefixFrom(netip.MustParseAddr("1.1.1.1"), 99) }},
		{"place", func(r *Rule) { r.Place = 9 }},
		{"as remote", func(r *Rule) { r.Host = "10.0.0.1" }},
		{"lower case", func(r *Rule) { r.Host = "Example.com" }},
		{"lower case", func(r *Rule) { r.Host = "example.com." }},
		{"one whole name", func(r *Rule) { r.Host = "bad..example" }},
		{"whole name", func(r *Rule) { r.Host = "*" }},
		{"whole name", func(r *Rule) { r.Host = "*." }},
		{"whole name", func(r *Rule) { r.Host = "*example.com" }},
		{"whole name", func(r *Rule) { r.Host = "www.*.example.com" }},
		{"whole name", func(r *Rule) { r.Host = "*.*.example.com" }},
		{"lower one first", func(r *Rule) { r.Port, r.PortTo = 90, 80 }},
		{"lower one first", func(r *Rule) { r.PortTo = 80 }},
		{"icmp has no ports", func(r *Rule) { r.Protocol, r.Port, r.PortTo = ICMP, 1, 2 }},
		{"with protocol icmp", func(r *Rule) { r.ICMPType = 9 }},
		{"from 0 to 255", func(r *Rule) { r.Protocol, r.ICMPType = ICMP, 300 }},
		{"a user's number", func(r *Rule) { r.User = "root" }},
		{"a user's number", func(r *Rule) { r.User = "-1" }},
		{"a user's number", func(r *Rule) { r.User = "4294967295" }},
		{"a user's number", func(r *Rule) { r.User = "S-1-" }},
		{"passes the lock", func(r *Rule) { r.PassLock = true }},
		{"passes the lock", func(r *Rule) { r.PassLock, r.Verdict, r.Program = true, Allow, AnyProgram }},
		{"name of a start", func(r *Rule) { r.Until.Boot = "a b" }},
		{"goes with its start", func(r *Rule) { r.Until.Uptime = 1 }},
		{"at most", func(r *Rule) { r.Host = strings.Repeat("a", 254) }},
		{"icmp has no ports", func(r *Rule) { r.Protocol, r.Port = ICMP, 1 }},
		{"write it as icmp", func(r *Rule) { r.Protocol = ICMPv6 }},
		{"direction", func(r *Rule) { r.Direction = 2 }},
		{"verdict", func(r *Rule) { r.Verdict = 3 }},
		{"note", func(r *Rule) { r.Note = strings.Repeat("a", maxNote+1) }},
		{"whole path of a program or script", func(r *Rule) { r.StartedBy = "backup.sh" }},
		{"whole path of a program or script", func(r *Rule) { r.StartedBy = "/" + strings.Repeat("a", 5000) }},
		{"until exit", func(r *Rule) { r.Until.Exit = true }},
		{"only a rule until exit", func(r *Rule) { r.Until.PID = 1 }},
	}
	for _, test := range tests {
		r := good
		test.change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", r, err, test.want)
		}
	}
	if _, err := NewRuleset(good, good); err == nil {
		t.Error("two rules with one id are accepted")
	}
}

func TestAnUnidentifiedProgramMatchesNoProgramsRule(t *testing.T) {
	for _, p := range []Program{{}, {Path: "/bin/a"}, {Kind: Executable}, {Kind: Executable, Path: "*"},
		{Kind: Executable, Path: "kernel"}, {Kind: Executable, Path: "foreign:x:/bin/a"}, {Kind: Foreign, Path: "/bin/a"}} {
		if p.ID() != "" {
			t.Errorf("%+v has the id %q", p, p.ID())
		}
		a := Attempt{Program: p}
		for _, program := range []string{"/bin/a", AnyProgram, KernelProgram, "foreign:x:/bin/a", "foreign::/bin/a"} {
			if r := (Rule{ID: "x", Program: program, Verdict: Allow}); r.Matches(a) {
				t.Errorf("%+v is allowed by a rule for %q", p, program)
			}
		}
		if r := (Rule{ID: "x", Program: AnyProgram, Verdict: Block}); !r.Matches(a) {
			t.Errorf("%+v is not blocked by a rule for any program", p)
		}
	}
}
