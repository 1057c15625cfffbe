package windivert

import (
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// inbound passes what comes from outside, if it need not be asked about.
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
	case p.Opens() && !c.policy.Inbound:
		f := c.flowOf(flowKey{Flow: p.Flow}, sequenceOf(p), now)
		if f == nil {
			c.overflow(b, firewall.In, now)
			return
		}
		c.judge(f, b, a, nil, now)
		return
	}
	c.send(b, a)
}
