package firewall

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// The rules and attempts of these tests are drawn from few values each, so
// that conditions are met, missed and tied often.
var (
	somePrograms = []Program{
		{}, {Kind: Unidentified, File: "1"}, {Kind: Kernel},
		{Kind: Executable, Path: "/bin/a"}, {Kind: Executable, Path: "/bin/b"},
		{Kind: Foreign, Path: "/bin/a", File: "x"},
		{Kind: Executable, Path: "/bin/a", Signer: "Acme", Product: "A"},
		{Kind: Executable, Path: "/opt/b", Signer: "Acme", Product: "A"},
		{Kind: Foreign, Path: "/bin/a", File: "x", Signer: "Acme", Product: "A"},
		{Kind: Hosted, Path: "/bin/a"}, {Kind: Hosted, Path: "/bin/a", Service: "s"},
		{Kind: Hosted, Path: "/bin/a", Service: "t", Signer: "Acme", Product: "A"},
		{Kind: Packaged, Path: "/bin/b", Package: "Acme.B_0123456789abc"},
		{Kind: Interpreted, Path: "/bin/a", Family: "sh", Script: "/x"}, {Kind: Interpreted, Path: "/bin/b", Family: "sh", Script: "/x"},
		{Kind: Interpreted, Path: "/bin/a", Family: "sh", File: "1"}, {Kind: Interpreted, Path: "/bin/a", Family: "sh", File: "2"},
		{Kind: Packaged, Path: "/opt/b", Package: "Acme.B_0123456789abc", Signer: "Acme", Product: "A"},
		{Kind: Packaged, Path: "/snap/b/7/bin/b", Package: "snap:b/bin/b"},
	}
	someAddresses = []string{"1.1.1.1", "1.1.1.2", "127.0.0.1", "fe80::1%eth0", "2001:db8::1", "::ffff:1.1.1.1"}
	somePrefixes  = []string{"1.1.1.1/32", "1.1.1.0/24", "0.0.0.0/0", "127.0.0.0/8", "fe80::/10", "::/0", "2001:db8::1/128"}
	someZones     = []Zones{{}, mustZones("1.1.1.0/24 trusted"), mustZones("1.1.1.1/32 blocked", "2001:db8::/32 trusted"), mustZones("0.0.0.0/0 trusted", "1.1.1.0/24 internet")}
	someStarters  = []string{"", "/opt/backup.sh", "/usr/bin/make"}
	someHosts     = []string{"", "a.example", "b.example"}
	someProtocols = []Protocol{TCP, UDP, ICMP}
	epoch         = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func mustZones(lines ...string) Zones {
	of := make(map[netip.Prefix]Zone)
	for _, line := range lines {
		prefix, name, _ := strings.Cut(line, " ")
		var z Zone
		if err := z.UnmarshalText([]byte(name)); err != nil {
			panic(err)
		}
		of[netip.MustParsePrefix(prefix)] = z
	}
	zones, err := NewZones(of)
	if err != nil {
		panic(err)
	}
	return zones
}

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
	p := pick(r, somePrograms)
	if id := p.ID(); id != "" {
		rule.Program = id
	}
	if signature := p.Signature(); signature != "" && oneIn(r, 2) {
		rule.Program = signature
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
		rule.Zone = pick(r, []Zone{TrustedZone, InternetZone})
	}
	if oneIn(r, 4) {
		rule.Host = pick(r, someHosts)
	}
	if rule.Protocol != ICMP {
		if rule.Port = uint16(r.IntN(3)); rule.Port > 0 && r.IntN(3) == 0 {
			rule.PortTo = rule.Port + 1
		}
		if oneIn(r, 4) {
			rule.LocalPort = uint16(r.IntN(3))
		}
	}
	if oneIn(r, 5) {
		rule.StartedBy = pick(r, someStarters)
	}
	if oneIn(r, 6) {
		rule.Until = Expiry{Exit: true, PID: 1 + r.IntN(2), Started: epoch}
	}
	if !p.Lasting() && rule.Program != AnyProgram {
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
	a.Zone = Zones{}.Of(addr)
	a.Place = Place(len(addr.String()) % 3) // what a backend says of an address, it says always
	return a
}

// otherwise returns the attempt to the same destination, but from another
// port and process, at another time, and by another name.
func otherwise(r *rand.Rand, a Attempt) Attempt {
	a.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(r.IntN(3)))
	a.PID, a.Started = 1+r.IntN(2), epoch.Add(time.Duration(r.IntN(2))*time.Minute)
	a.StartedBy = someStarters[(a.PID+a.Started.Minute())%len(someStarters)] // what started a process is always the same
	a.Host = pick(r, someHosts)
	a.Time = epoch.Add(time.Duration(r.IntN(5)-2) * time.Hour)
	return a
}
