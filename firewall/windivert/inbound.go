package windivert

import (
	"net/netip"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// inbound decides what comes from outside.
func (c *core) inbound(b []byte, a *address, now time.Time) {
	p, err := packet.Parse(b, firewall.In)
	switch {
	case err != nil:
		c.senseless(firewall.Flow{Direction: firewall.In}, now)
		return
	case c.policy.Mode == firewall.ModeLock:
		return
	case p.Flow.Protocol == firewall.UDP && p.Flow.Remote.Port() == dnsPort:
		c.names.See(p)
	}
	if c.policy.Inbound || !p.Opens() && (p.Flow.Protocol != firewall.UDP || c.solicited(p.Flow)) {
		c.send(b, a)
		return
	}
	var sequence uint32
	if p.Flow.Protocol == firewall.TCP {
		sequence = sequenceOf(p)
	}
	f := c.flowOf(flowKey{Flow: p.Flow}, sequence, now)
	if f == nil {
		c.overflow(b, firewall.In, now)
		return
	}
	c.judge(f, b, a, nil, now)
}

// groups are where programs ask many at once: mDNS, SSDP, LLMNR, and everybody.
var groups = [...]netip.Addr{
	netip.MustParseAddr("224.0.0.251"), netip.MustParseAddr("239.255.255.250"), netip.MustParseAddr("224.0.0.252"),
	netip.MustParseAddr("255.255.255.255"),
	netip.MustParseAddr("ff02::fb"), netip.MustParseAddr("ff02::c"), netip.MustParseAddr("ff02::1:3"),
}

// solicited tells whether a datagram answers what its socket sent, or one of the
// messages by which this computer gets its address (DHCP).
func (c *core) solicited(f firewall.Flow) bool {
	switch from, to := f.Remote.Port(), f.Local.Port(); {
	case from == 67 && to == 68, from == 547 && to == 546:
		return true
	}
	f.Direction = firewall.Out
	if c.sent(f) {
		return true
	}
	for _, group := range groups {
		if group.Is4() == f.Local.Addr().Is4() {
			f.Remote = netip.AddrPortFrom(group, f.Remote.Port())
			if c.sent(f) {
				return true
			}
		}
	}
	return false
}

// sent tells whether a socket may have sent there, of its own accord.
func (c *core) sent(f firewall.Flow) bool {
	known := c.flows.byKey[flowKey{Flow: f}]
	return known != nil && known.verdict.known && known.verdict.Verdict == firewall.Allow && known.attempt.Direction == firewall.Out
}
