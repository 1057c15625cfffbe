package firewall

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// The rules and attempts of these tests are drawn from few values each, so
// that conditions are met, missed and tied often.
var (
	somePrograms = []Program{
		{}, {Kind: Unidentified, File: "1"}, {Kind: Kernel},
		{Kind: Executable, Path: "/bin/a"}, {Kind: Executable, Path: "/bin/b"},
		{Kind: Foreign, Path: "/bin/a", File: "x"},
	}
	someAddresses = []string{"1.1.1.1", "1.1.1.2", "127.0.0.1", "fe80::1%eth0", "2001:db8::1", "::ffff:1.1.1.1"}
	somePrefixes  = []string{"1.1.1.1/32", "1.1.1.0/24", "0.0.0.0/0", "127.0.0.0/8", "fe80::/10", "::/0", "2001:db8::1/128"}
	someHosts     = []string{"", "a.example", "b.example"}
	someProtocols = []Protocol{TCP, UDP, ICMP}
	epoch         = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

func randomRule(r *rand.Rand, id int) Rule {
	rule := Rule{
		ID:        RuleID(fmt.Sprintf("r%03d", id)),
		Program:   AnyProgram,
		Direction: Direction(r.IntN(2)),
		Verdict:   Verdict(r.IntN(3)),
		Disabled:  oneIn(r, 10),
	}
	if p := pick(r, somePrograms).ID(); p != "" {
		rule.Program = p
	}
	if oneIn(r, 8) {
		rule.ID, rule.Builtin = builtinPrefix+rule.ID, true
	}
	if oneIn(r, 3) {
		rule.Protocol = pick(r, someProtocols)
	}
	if oneIn(r, 3) {
		rule.Remote = netip.MustParsePrefix(pick(r, somePrefixes))
	}
	if oneIn(r, 4) {
		rule.Place = Place(r.IntN(3))
	}
	if oneIn(r, 4) {
		rule.Host = pick(r, someHosts)
	}
	if rule.Protocol != ICMP {
		rule.Port = uint16(r.IntN(3))
		if oneIn(r, 4) {
			rule.LocalPort = uint16(r.IntN(3))
		}
	}
	if oneIn(r, 6) {
		rule.Until = Expiry{Exit: true, PID: 1 + r.IntN(2), Started: epoch}
	}
	if oneIn(r, 6) {
		rule.Until.At = epoch.Add(time.Duration(r.IntN(5)-2) * time.Hour)
	}
	return rule
}

func randomRules(r *rand.Rand) []Rule {
	rules := make([]Rule, r.IntN(12))
	for i := range rules {
		rules[i] = randomRule(r, i)
	}
	return rules
}

func randomAttempt(r *rand.Rand) Attempt {
	a := Attempt{Program: pick(r, somePrograms)}
	a.Direction = Direction(r.IntN(2))
	a.Time = epoch
	return elsewhere(r, otherwise(r, a))
}

// elsewhere returns the attempt to another destination.
func elsewhere(r *rand.Rand, a Attempt) Attempt {
	addr := netip.MustParseAddr(pick(r, someAddresses))
	a.Protocol = pick(r, someProtocols)
	a.Remote = netip.AddrPortFrom(addr, uint16(r.IntN(3)))
	a.Place = Place(len(addr.String()) % 3) // what a backend says of an address, it says always
	return a
}

// otherwise returns the attempt to the same destination, but from another
// port and process, at another time, and by another name.
func otherwise(r *rand.Rand, a Attempt) Attempt {
	a.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(r.IntN(3)))
	a.PID, a.Started = 1+r.IntN(2), epoch.Add(time.Duration(r.IntN(2))*time.Minute)
	a.Host = pick(r, someHosts)
	a.Time = epoch.Add(time.Duration(r.IntN(5)-2) * time.Hour)
	return a
}

// alike returns another attempt for which the decision about a holds too.
func alike(r *rand.Rand, a Attempt, d Decision) Attempt {
	b := otherwise(r, a)
	if d.Scope == ThisProgram {
		b = elsewhere(r, b)
	}
	if d.Scope == ThisFlow {
		b.Local = a.Local
		b.PID, b.Started, b.Host = a.PID, a.Started, a.Host
	}
	if d.Bounds.Process {
		b.PID, b.Started = a.PID, a.Started
	}
	if d.Bounds.Host {
		b.Host = a.Host
	}
	// What is cached is used later, never before.
	if until := d.Bounds.Until; b.Time.Before(a.Time) || !until.IsZero() && !b.Time.Before(until) {
		b.Time = a.Time
	}
	return b
}

// needless says which bound of the decision about a no rule is the reason of.
func needless(rules []Rule, a Attempt, d Decision, ok bool) string {
	var until time.Time
	var process, host bool
	for _, r := range rules {
		if r.Disabled || r.Direction != a.Direction || r.Program != AnyProgram && r.Program != a.Program.ID() {
			continue
		}
		process, host = process || r.Until.Exit, host || r.Host != ""
		if ok && r.ID == d.Rule {
			until = r.Until.At
		}
	}
	switch {
	case d.Bounds.Process && !process:
		return "bound to a process, and no rule is"
	case d.Bounds.Host && !host:
		return "bound to a name, and no rule is"
	case d.Bounds.Until != until:
		return "bound to another end than the deciding rule's"
	}
	return ""
}

// bruteForce asks each rule whether it matches and takes the first.
func bruteForce(rules []Rule, a Attempt) (Decision, bool) {
	matching := slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return !r.Matches(a) })
	if len(matching) == 0 {
		return Decision{}, false
	}
	first := slices.MinFunc(matching, compare)
	return Decision{Verdict: first.Verdict, Reason: ByRule, Rule: first.ID}, true
}

func mustRules(t testing.TB, rules []Rule) Ruleset {
	rs, err := NewRuleset(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// FuzzDecide draws rules and attempts from a seed and checks what backends
// and people rely on.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		rules := randomRules(r)
		rs := mustRules(t, rules)
		shuffled := slices.Clone(rules)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again := mustRules(t, shuffled)
		policy := rs.Policy(ModeAsk, false)
		for range 60 {
			a := randomAttempt(r)
			d, ok := rs.Decide(a)
			if want, wantOK := bruteForce(rules, a); ok != wantOK || ok && (d.Rule != want.Rule || d.Verdict != want.Verdict) {
				t.Fatalf("decided %+v, %v; one by one the rules say %+v, %v\n%+v\n%+v", d, ok, want, wantOK, a, rules)
			}
			if d2, ok2 := again.Decide(a); d2 != d || ok2 != ok {
				t.Fatalf("the order in which rules were given counts: %+v, %+v\n%+v\n%+v", d, d2, a, rules)
			}
			if a.Program.ID() == "" && d.Scope != ThisFlow {
				t.Fatalf("an unidentified program is decided beyond this flow: %+v", d)
			}
			for range 4 {
				b := alike(r, a, d)
				if d2, ok2 := rs.Decide(b); ok2 != ok || d2.Rule != d.Rule || d2.Verdict != d.Verdict {
					t.Fatalf("alike, and yet\n%+v: %+v, %v\n%+v: %+v, %v\n%+v", a, d, ok, b, d2, ok2, rules)
				}
			}
			if msg := needless(rules, a, d, ok); msg != "" {
				t.Fatalf("%s: %+v: %+v\n%+v", msg, a, d, rules)
			}
			exempt := policy.Loopback && a.Direction == Out && a.Place == Loopback || policy.Inbound && a.Direction == In
			if exempt && (!ok || d.Verdict != Allow) {
				t.Fatalf("the policy says that this need not be held: %+v: %+v, %v\n%+v", a, d, ok, rules)
			}
		}
	})
}

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
		{"10.0.0.0/8 is meant", func(r *Rule) { r.Remote = netip.MustParsePrefix("10.0.0.1/8") }},
		{"IPv4", func(r *Rule) { r.Remote = netip.MustParsePrefix("::ffff:1.1.1.1/128") }},
		{"not an address", func(r *Rule) { r.Remote = netip.PrefixFrom(netip.MustParseAddr("1.1.1.1"), 99) }},
		{"place", func(r *Rule) { r.Place = 9 }},
		{"as remote", func(r *Rule) { r.Host = "10.0.0.1" }},
		{"lower case", func(r *Rule) { r.Host = "Example.com" }},
		{"lower case", func(r *Rule) { r.Host = "example.com." }},
		{"whole name", func(r *Rule) { r.Host = "*.example.com" }},
		{"at most", func(r *Rule) { r.Host = strings.Repeat("a", 254) }},
		{"icmp has no ports", func(r *Rule) { r.Protocol, r.Port = ICMP, 1 }},
		{"write it as icmp", func(r *Rule) { r.Protocol = ICMPv6 }},
		{"direction", func(r *Rule) { r.Direction = 2 }},
		{"verdict", func(r *Rule) { r.Verdict = 3 }},
		{"note", func(r *Rule) { r.Note = strings.Repeat("a", maxNote+1) }},
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

func TestBuiltinRulesAreValidAndExemptLoopbackAndInbound(t *testing.T) {
	rs := mustRules(t, BuiltinRules())
	p := rs.Policy(ModeAsk, true)
	if !p.Loopback || !p.Inbound || !p.FailOpen {
		t.Errorf("policy of the built-in rules: %+v", p)
	}
	blocked := append(BuiltinRules(), Rule{ID: "spy", Program: "/bin/spy"})
	if p := mustRules(t, blocked).Policy(ModeAsk, false); p.Loopback || !p.Inbound {
		t.Errorf("policy with a blocked program: %+v", p)
	}
	if p := rs.Policy(ModeLock, false); !p.Loopback || p.Inbound {
		t.Errorf("policy of lock: %+v", p)
	}
}

func TestHowWidelyADecisionHolds(t *testing.T) {
	a := Attempt{Program: Program{Kind: Executable, Path: "/bin/a"}, PID: 7, Started: epoch, Host: "a.example", Time: epoch}
	a.Protocol, a.Remote = TCP, netip.MustParseAddrPort("1.1.1.1:443")
	own := func(change func(*Rule)) Rule {
		r := Rule{ID: "own", Program: "/bin/a", Verdict: Allow}
		change(&r)
		return r
	}
	hour := epoch.Add(time.Hour)
	always := own(func(*Rule) {})
	always.ID = "always"
	exit := func(pid int) Expiry { return Expiry{Exit: true, PID: pid, Started: epoch} }
	for _, test := range []struct {
		name   string
		rules  []Rule
		scope  Scope
		bounds Bounds
	}{
		{"no rule", nil, ThisProgram, Bounds{}},
		{"the program anywhere", []Rule{always}, ThisProgram, Bounds{}},
		{"a rule of another program", []Rule{always, {ID: "b", Program: "/bin/b", Host: "a.example", Until: exit(7)}}, ThisProgram, Bounds{}},
		{"its host", []Rule{own(func(r *Rule) { r.Host = "a.example" })}, ThisDestination, Bounds{Host: true}},
		{"another host", []Rule{own(func(r *Rule) { r.Host = "b.example" })}, ThisDestination, Bounds{Host: true}},
		{"another host, else anywhere", []Rule{always, own(func(r *Rule) { r.Host = "b.example" })}, ThisDestination, Bounds{Host: true}},
		{"another host at another port", []Rule{own(func(r *Rule) { r.Host, r.Port = "b.example", 80 })}, ThisDestination, Bounds{}},
		{"its process", []Rule{own(func(r *Rule) { r.Until = exit(7) })}, ThisProgram, Bounds{Process: true}},
		{"another process", []Rule{own(func(r *Rule) { r.Until = exit(8) })}, ThisProgram, Bounds{Process: true}},
		{"another process, else anywhere", []Rule{always, own(func(r *Rule) { r.Until = exit(8) })}, ThisProgram, Bounds{Process: true}},
		{"its process to a port", []Rule{own(func(r *Rule) { r.Until, r.Port = exit(7), 443 })}, ThisDestination, Bounds{Process: true}},
		{"for an hour", []Rule{own(func(r *Rule) { r.Until.At = hour })}, ThisProgram, Bounds{Until: hour}},
		{"for an hour that is over", []Rule{own(func(r *Rule) { r.Until.At = epoch })}, ThisProgram, Bounds{}},
		{"for an hour to another port, else anywhere", []Rule{always, own(func(r *Rule) { r.Until.At, r.Port = hour, 80 })}, ThisDestination, Bounds{}},
		{"from a local port", []Rule{own(func(r *Rule) { r.LocalPort = 1 })}, ThisFlow, Bounds{}},
	} {
		if d, _ := mustRules(t, test.rules).Decide(a); d.Scope != test.scope || d.Bounds != test.bounds {
			t.Errorf("%s: holds for %d within %+v, want %d within %+v", test.name, d.Scope, d.Bounds, test.scope, test.bounds)
		}
	}
	for _, m := range []Mode{ModeOff, ModeLock} {
		if d, _ := m.judge(mustRules(t, []Rule{own(func(r *Rule) { r.Host, r.Until = "a.example", exit(7) })}), a); d.Bounds != (Bounds{}) {
			t.Errorf("mode %s heeds no rules, and yet holds within %+v", m, d.Bounds)
		}
	}
	for _, m := range []Mode{ModeAsk, ModeAllow, ModeBlock} {
		d, _ := m.judge(mustRules(t, []Rule{own(func(r *Rule) { r.Host = "b.example" })}), a)
		if d.Scope != ThisDestination || !d.Bounds.Host {
			t.Errorf("mode %s forgets a rule that may match for another name: %+v", m, d)
		}
	}
}

func TestThePolicyKnowsTheProgramsOfRules(t *testing.T) {
	rules := []Rule{
		{ID: "1", Program: "/bin/b"}, {ID: "2", Program: "/bin/a"}, {ID: "3", Program: "/bin/a", Port: 1},
		{ID: "4", Program: AnyProgram}, {ID: "5", Program: KernelProgram}, {ID: "6", Program: "foreign:x:/bin/c"},
		{ID: "7", Program: "/bin/off", Disabled: true},
	}
	if got, want := mustRules(t, rules).Policy(ModeAsk, false).Programs, []string{"/bin/a", "/bin/b"}; !slices.Equal(got, want) {
		t.Errorf("programs of rules: %q, want %q", got, want)
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
