// Package networks tells which networks this computer is on, so that a person
// can say once what each of them is. A network is recognised by the hardware
// address of its gateway and by its prefix: a guest can have both by intent,
// so that what is trusted is no more than a neighbourhood.
package networks

import (
	"cmp"
	"net/netip"
	"slices"
)

// Network is a network that this computer is on.
type Network struct {
	Interface string         // its name
	Gateway   netip.Addr     // the way to everywhere else
	Hardware  string         // address of the gateway, such as "00:00:5e:00:53:01"; "" if not known yet
	Prefixes  []netip.Prefix // of the addresses on the link, IPv4 first; those of one link only are not among them
}

// ID is the same whenever this computer is on the network; "" if it cannot be
// recognised (yet): it has no gateway, or one that did not answer.
func (n Network) ID() string {
	if n.Hardware == "" {
		return ""
	}
	for _, p := range n.Prefixes {
		if p.Contains(n.Gateway) {
			return n.Hardware + " " + p.String()
		}
	}
	return n.Hardware + " ipv6" // the prefixes come and go
}

// route is a line of the system's table of routes.
type route struct {
	prefix  netip.Prefix
	gateway netip.Addr // invalid: on the link
	index   int        // of the interface
}

// neighbour is a line of the table of neighbours.
type neighbour struct {
	index    int
	addr     netip.Addr
	hardware string
}

// gather makes networks of the tables: one for each interface with a default
// route, by IPv4 where it has one.
func gather(routes []route, neighbours []neighbour, name func(index int) string) (all []Network) {
	gateways := make(map[int]netip.Addr)
	prefixes := make(map[int][]netip.Prefix)
	for _, r := range routes {
		switch old, have := gateways[r.index]; {
		case !r.prefix.IsValid():
		case r.prefix.Bits() == 0 && r.gateway.IsValid():
			if !have || old.Is6() && r.gateway.Is4() || old.BitLen() == r.gateway.BitLen() && r.gateway.Less(old) {
				gateways[r.index] = r.gateway
			}
		case r.gateway.IsValid() || r.prefix.Bits() == 0 || r.prefix.Bits() == r.prefix.Addr().BitLen():
		case r.prefix.Addr().IsLinkLocalUnicast() || r.prefix.Addr().IsMulticast() || r.prefix.Addr().IsLoopback():
		default:
			prefixes[r.index] = append(prefixes[r.index], r.prefix.Masked())
		}
	}
	for index, gateway := range gateways {
		n := Network{Interface: name(index), Gateway: gateway, Prefixes: prefixes[index]}
		slices.SortFunc(n.Prefixes, func(a, b netip.Prefix) int {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		})
		n.Prefixes = slices.Compact(n.Prefixes)
		for _, near := range neighbours {
			if near.index == index && near.addr == gateway {
				n.Hardware = near.hardware
			}
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Network) int { return cmp.Compare(a.Interface, b.Interface) })
	return all
}

// equal tells whether two lists are the same networks.
func equal(a, b []Network) bool {
	return slices.EqualFunc(a, b, func(a, b Network) bool {
		return a.Interface == b.Interface && a.Gateway == b.Gateway && a.Hardware == b.Hardware && slices.Equal(a.Prefixes, b.Prefixes)
	})
}
