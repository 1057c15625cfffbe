package firewall

import (
	"cmp"
	"slices"
	"strings"
)

// narrowness orders rules: the greater the narrower, compared item by item.
// A condition more always makes it greater. One name, one address and one
// resolver are equally narrow, so that among them a block counts.
func (r *Rule) narrowness() [8]int {
	var n [8]int
	n[0] = int(r.name().kind)
	if below, ok := strings.CutPrefix(r.Host, "*."); ok {
		n[1] += min(addressBits/2+strings.Count(below, "."), addressBits-2)
	} else if r.Host != "" {
		n[1] += addressBits
	}
	if r.Zone != AnyZone {
		n[1]++ // wider than any place or prefix, save that of everything
	}
	if r.Place == Loopback {
		n[1] += addressBits - 1
	} else if r.Place == Resolver {
		n[1] += addressBits
	}
	if r.Remote.IsValid() {
		n[1] += addressBits - r.Remote.Addr().BitLen() + r.Remote.Bits()
	}
	if r.Port != 0 {
		n[2] = 1<<16 - int(max(r.Port, r.PortTo)-r.Port)
	}
	if r.Protocol != AnyProtocol {
		n[3] = 1
	}
	if r.ICMPType != 0 {
		n[3] = 2
	}
	if r.LocalPort != 0 {
		n[4] = 1
	}
	if r.StartedBy != "" {
		n[5] = 1
	}
	if r.User != "" {
		n[6] = 1
	}
	if r.Until.Exit {
		n[7] = 1
	}
	return n
}

// addressBits is the narrowness of a single address: its bits, and one more
// so that a prefix of no bits is narrower than no prefix.
const addressBits = 128 + 1

// compare puts the rule that decides first first: the narrower, then block
// before ask before allow, then the order of ids.
func compare(a, b Rule) int {
	na, nb := a.narrowness(), b.narrowness()
	return cmp.Or(
		-slices.Compare(na[:], nb[:]),
		cmp.Compare(precedence[a.Verdict], precedence[b.Verdict]),
		cmp.Compare(a.ID, b.ID),
	)
}

var precedence = [...]int{Block: 0, Ask: 1, Allow: 2}
