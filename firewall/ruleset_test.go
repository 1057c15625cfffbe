package firewall

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// alike returns another attempt for which the decision about a holds too.
func alike(r *rand.Rand, a Attempt, d Decision) Attempt {
	b := otherwise(r, a)
	if d.Scope == ThisProgram {
		b = elsewhere(r, b)
	}
	if d.Scope == ThisDestination && a.Direction == In {
		b.Local, b.Remote = a.Local, netip.AddrPortFrom(a.Remote.Addr(), uint16(r.IntN(3)))
	}
	if d.Scope == ThisFlow {
		b.Local = a.Local
		b.PID, b.Started, b.StartedBy, b.Host = a.PID, a.Started, a.StartedBy, a.Host
	}
	if d.Bounds.Process {
		b.PID, b.Started, b.StartedBy = a.PID, a.Started, a.StartedBy
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
		if r.Disabled || r.Direction != a.Direction || r.Program != AnyProgram && !r.names(&a.Program) {
			continue
		}
		process, host = process || r.Until.Exit || r.StartedBy != "", host || r.Host != ""
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
		zones := pick(r, someZones)
		rs := mustRules(t, rules).In(zones)
		shuffled := slices.Clone(rules)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again := mustRules(t, shuffled).In(zones)
		policy := rs.Policy(ModeAsk, false)
		for range 60 {
			a := randomAttempt(r)
			a.Zone = zones.Of(a.Remote.Addr())
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
				if b.Zone = zones.Of(b.Remote.Addr()); d.Bounds.Zone && b.Zone != a.Zone {
					continue
				}
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

// anyInbound is the built-in rule of before servers were asked about; who has
// it keeps it.
var anyInbound = Rule{ID: "builtin-inbound", Builtin: true, Program: AnyProgram, Direction: In, Verdict: Allow, Note: "as before"}

func TestBuiltinRulesAreValidAndExemptLoopbackOnly(t *testing.T) {
	rs := mustRules(t, BuiltinRules())
	p := rs.Policy(ModeAsk, true)
	if !p.Loopback || p.Inbound || !p.FailOpen {
		t.Errorf("policy of the built-in rules: %+v", p)
	}
	if p := mustRules(t, []Rule{anyInbound}).Policy(ModeAsk, false); !p.Inbound {
		t.Errorf("policy of a rule that lets everybody in: %+v", p)
	}
	blocked := append(BuiltinRules(), Rule{ID: "spy", Program: "/bin/spy"})
	if p := mustRules(t, blocked).Policy(ModeAsk, false); p.Loopback || p.Inbound {
		t.Errorf("policy with a blocked program: %+v", p)
	}
	if p := rs.Policy(ModeLock, false); !p.Loopback || p.Inbound {
		t.Errorf("policy of lock: %+v", p)
	}
}

func TestWhichRulesAreAboutLoopbackInParticular(t *testing.T) {
	about := func(remote string) Rule {
		return Rule{ID: "spy", Program: "/bin/spy", Remote: netip.MustParsePrefix(remote)}
	}
	on := func(r Rule, change func(*Rule)) Rule { change(&r); return r }
	for _, test := range []struct {
		what string
		rule Rule
		want bool
	}{
		{"of any address", Rule{ID: "spy", Program: "/bin/spy"}, false},
		{"of any address that asks", Rule{ID: "spy", Program: "/bin/spy", Verdict: Ask}, false},
		{"of all of IPv4", about("0.0.0.0/0"), false},
		{"of the half of it", about("0.0.0.0/1"), false},
		{"of all of IPv6", about("::/0"), false},
		{"of another network", about("10.0.0.0/8"), false},
		{"of 127.0.0.0/8", about("127.0.0.0/8"), true},
		{"of one address in it", about("127.0.0.1/32"), true},
		{"of ::1", about("::1/128"), true},
		{"of the place", Rule{ID: "spy", Program: "/bin/spy", Place: Loopback}, true},
		{"that is disabled", on(about("127.0.0.1/32"), func(r *Rule) { r.Disabled = true }), false},
		{"that allows", on(about("127.0.0.1/32"), func(r *Rule) { r.Verdict = Allow }), false},
		{"of what comes from there", on(about("127.0.0.1/32"), func(r *Rule) { r.Direction = In }), true},
	} {
		rs := mustRules(t, append(BuiltinRules(), test.rule))
		if got := rs.Policy(ModeAsk, false).LoopbackRule; got != test.want {
			t.Errorf("a rule %s: %v, want %v", test.what, got, test.want)
		}
		if rs.Policy(ModeOff, false).LoopbackRule || rs.Policy(ModeLock, false).LoopbackRule {
			t.Errorf("a rule %s counts where no rule does", test.what)
		}
		rs, err := rs.Change(nil, []RuleID{"spy"})
		if err != nil || rs.Policy(ModeAsk, false).LoopbackRule {
			t.Errorf("a rule %s counts after it is gone (%v)", test.what, err)
		}
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
	server := func(change func(*Rule)) Rule {
		r := Rule{ID: "server", Program: "/bin/a", Direction: In, Verdict: Allow}
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
		{"when started by a script", []Rule{own(func(r *Rule) { r.StartedBy = "/opt/backup.sh" })}, ThisProgram, Bounds{Process: true}},
		{"from a local port", []Rule{own(func(r *Rule) { r.LocalPort = 1 })}, ThisFlow, Bounds{}},
		{"accepts from anywhere", []Rule{server(func(*Rule) {})}, ThisProgram, Bounds{}},
		{"accepts at a port", []Rule{server(func(r *Rule) { r.LocalPort = 22 })}, ThisDestination, Bounds{}},
		{"accepts from an address", []Rule{server(func(r *Rule) { r.Remote = netip.MustParsePrefix("1.1.1.1/32") })}, ThisDestination, Bounds{}},
		{"accepts from a port", []Rule{server(func(r *Rule) { r.Port = 443 })}, ThisFlow, Bounds{}},
	} {
		a := a
		if len(test.rules) > 0 {
			a.Direction = test.rules[0].Direction
		}
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
		{ID: "7", Program: "/bin/off", Disabled: true}, {ID: "8", Program: "service:s:/bin/d"},
		{ID: "9", Program: "package:Acme.B_0123456789abc"}, {ID: "10", Program: "signer:Acme/product:A"},
	}
	if got, want := mustRules(t, rules).Policy(ModeAsk, false).Programs, []string{"/bin/a", "/bin/b"}; !slices.Equal(got, want) {
		t.Errorf("programs of rules: %q, want %q", got, want)
	}
}
