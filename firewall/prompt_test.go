package firewall

import (
	"net/netip"
	"testing"
)

// An answer for a zone that no rule may name is for the remote alone, never for
// everything.
func TestAnAnswerForAZoneIsNeverWider(t *testing.T) {
	p := Prompt{Question: Question{Program: Program{Kind: Executable, Path: "/bin/a"}}}
	p.First.Remote = netip.MustParseAddrPort("203.0.113.7:443")
	for _, zone := range []Zone{AnyZone, ThisComputer, BlockedZone, BlockedZone + 1} {
		p.First.Zone = zone
		if r := p.Rule(Allow, ScopeZone); r.Zone != AnyZone || r.Remote != netip.MustParsePrefix("203.0.113.7/32") {
			t.Errorf("zone %d: %+v", zone, r)
		}
	}
	p.First.Zone = TrustedZone
	if r := p.Rule(Allow, ScopeZone); r.Zone != TrustedZone || r.Remote.IsValid() {
		t.Errorf("%+v", r)
	}
}
