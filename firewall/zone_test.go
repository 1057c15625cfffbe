package firewall

import (
	"errors"
	"net/netip"
	"testing"
)

func TestTheZoneOfAnAddress(t *testing.T) {
	z := mustZones("192.168.0.0/16 trusted", "192.168.1.0/24 internet", "192.168.1.7/32 blocked", "0.0.0.0/0 internet", "fd00::/8 trusted", "fe80::/10 trusted")
	for addr, want := range map[string]Zone{
		"127.0.0.1": ThisComputer, "::1": ThisComputer, "127.8.8.8": ThisComputer,
		"192.168.2.1": TrustedZone, "192.168.1.1": InternetZone, "192.168.1.7": BlockedZone, "8.8.8.8": InternetZone,
		"::ffff:192.168.1.7": BlockedZone, "fd00::1": TrustedZone, "fe80::1%eth0": TrustedZone, "2001:db8::1": InternetZone,
	} {
		if got := z.Of(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in zone %q, want %q", addr, got, want)
		}
	}
	if got := z.Of(netip.Addr{}); got != InternetZone {
		t.Errorf("no address is in zone %q", got)
	}
	var none Zones
	if none.Of(netip.MustParseAddr("10.0.0.1")) != InternetZone || none.Of(netip.MustParseAddr("::1")) != ThisComputer {
		t.Error("without zones all but this computer is internet")
	}
}

func TestZonesThatMakeNoSense(t *testing.T) {
	p := netip.MustParsePrefix("10.0.0.0/8")
	for _, zone := range []Zone{AnyZone, ThisComputer, BlockedZone + 1} {
		if _, err := NewZones(map[netip.Prefix]Zone{p: zone}); !errors.Is(err, ErrNotAZone) {
			t.Errorf("zone %d: %v", zone, err)
		}
	}
	for _, p := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		if _, err := NewZones(map[netip.Prefix]Zone{p: TrustedZone}); err == nil {
			t.Errorf("%s was taken", p)
		}
	}
	// The same network by two names: the stricter zone counts.
	z, err := NewZones(map[netip.Prefix]Zone{netip.MustParsePrefix("10.0.0.1/8"): TrustedZone, p: BlockedZone})
	if err != nil || z.Of(netip.MustParseAddr("10.2.2.2")) != BlockedZone {
		t.Errorf("%v, %v", z, err)
	}
}

// The zones stay what they are when rules change, and rules count by them.
func TestZonesOutliveAChangeOfRules(t *testing.T) {
	z := mustZones("10.0.0.0/8 trusted")
	rs, err := Ruleset{}.In(z).Change([]Rule{{ID: "near", Program: AnyProgram, Zone: TrustedZone, Verdict: Allow}}, nil)
	if err != nil || !rs.Zones().Equal(z) || !rs.Policy(ModeAsk, false).Zones.Equal(z) {
		t.Fatalf("%v, %v", rs.Zones(), err)
	}
	a := Attempt{Program: Program{Kind: Executable, Path: "/bin/a"}}
	for addr, want := range map[string]bool{"10.0.0.1:1": true, "1.1.1.1:1": false} {
		a.Remote = netip.MustParseAddrPort(addr)
		if d, ok := rs.Decide(a); ok != want || !d.Bounds.Zone || d.Scope != ThisProgram {
			t.Errorf("%s: %+v, %v", addr, d, ok)
		}
	}
	for _, zone := range []Zone{ThisComputer, BlockedZone} {
		if err := (Rule{ID: "x", Program: AnyProgram, Zone: zone}).Validate(); err == nil {
			t.Errorf("a rule for zone %s is valid", zone)
		}
	}
}

// What passes the lock does not pass into the zone of blocked addresses, and no
// rule lets others in through the lock.
func TestBlockedAddressesStayBlockedInALock(t *testing.T) {
	rs := mustRules(t, []Rule{
		{ID: "out", Program: "/bin/a", Verdict: Allow, PassLock: true},
		{ID: "in", Program: "/bin/a", Direction: In, Verdict: Allow},
	}).In(mustZones("10.0.0.0/8 blocked"))
	a := Attempt{Program: Program{Kind: Executable, Path: "/bin/a"}}
	for remote, want := range map[string]Verdict{"10.0.0.1:443": Block, "192.0.2.1:443": Allow} {
		a.Remote, a.Direction = netip.MustParseAddrPort(remote), Out
		if d := ModeLock.Decide(rs, a); d.Verdict != want {
			t.Errorf("to %s: %+v", remote, d)
		} else if d.Verdict == Allow && d.Scope == ThisProgram && !d.Bounds.Zone {
			t.Errorf("to %s: %+v holds for blocked addresses, too", remote, d)
		}
		a.Direction = In
		if d := ModeLock.Decide(rs, a); d.Verdict != Block {
			t.Errorf("from %s: %+v", remote, d)
		}
	}
}

func TestConditionsOfAllKindsMakeARuleNarrower(t *testing.T) {
	base := Rule{Program: "/bin/a", Zone: TrustedZone}
	narrower := func(what string, change func(r *Rule)) {
		t.Helper()
		r := base
		r.ID, r.Verdict = "b", Allow
		change(&r)
		wide := base
		wide.ID, wide.Verdict = "a", Block
		if compare(r, wide) >= 0 {
			t.Errorf("a rule with %s does not come before one without", what)
		}
		base = r
	}
	narrower("all names below one", func(r *Rule) { r.Host = "*.example.org" })
	narrower("a name", func(r *Rule) { r.Host = "a.example.org" })
	narrower("a range of ports", func(r *Rule) { r.Port, r.PortTo = 8000, 8999 })
	narrower("a shorter range", func(r *Rule) { r.PortTo = 8001 })
	narrower("a port", func(r *Rule) { r.PortTo = 0 })
	narrower("a protocol", func(r *Rule) { r.Protocol = TCP })
	narrower("a user", func(r *Rule) { r.User = "1000" })
	base = Rule{Program: "/bin/a", Protocol: ICMP}
	narrower("a type of ICMP", func(r *Rule) { r.ICMPType = 9 })
	narrower("a zone", func(r *Rule) { r.Zone = InternetZone })
}

// Of what comes from outside, Port is who calls.
func TestARangeOfPortsOfWhoCalls(t *testing.T) {
	rs := mustRules(t, []Rule{{ID: "r", Program: "/bin/a", Direction: In, Port: 1000, PortTo: 1999, LocalPort: 80, Verdict: Allow}})
	a := Attempt{Program: Program{Kind: Executable, Path: "/bin/a"}}
	a.Direction, a.Local = In, netip.MustParseAddrPort("192.0.2.2:80")
	for remote, want := range map[string]bool{"192.0.2.1:999": false, "192.0.2.1:1000": true, "192.0.2.1:1999": true, "192.0.2.1:2000": false} {
		a.Remote = netip.MustParseAddrPort(remote)
		if d, ok := rs.Decide(a); ok != want || d.Scope != ThisFlow {
			t.Errorf("from %s: %+v, %t", remote, d, ok)
		}
	}
}
