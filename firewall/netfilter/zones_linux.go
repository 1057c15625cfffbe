package netfilter

import (
	"fmt"
	"net/netip"

	"sallyport.dev/sallyport/firewall"
)

// zonePrefix is what the kernel side knows a prefix by.
func zonePrefix(p netip.Prefix) kernelPrefix {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return kernelPrefix{Length: uint32(bits), Address: addressWords(p.Addr())}
}

// zone tells the kernel side the zones, as [firewall.Zones.Of] has them. What
// comes is there before what goes: an address that moves is for a moment in
// the zone of a wider prefix at most, never in none.
func (k *kernelSide) zone(z firewall.Zones) error {
	want := map[kernelPrefix]uint32{
		zonePrefix(netip.MustParsePrefix("127.0.0.0/8")): uint32(firewall.ThisComputer),
		zonePrefix(netip.MustParsePrefix("::1/128")):     uint32(firewall.ThisComputer),
	}
	for p, zone := range z.All() {
		if !p.Addr().IsLoopback() {
			want[zonePrefix(p)] = uint32(zone)
		}
	}
	for key, zone := range want {
		if err := k.Zones.Put(&key, zone); err != nil {
			return fmt.Errorf("tell the kernel side a zone: %w", err)
		}
	}
	var former []kernelPrefix
	var key kernelPrefix
	var zone uint32
	for all := k.Zones.Iterate(); all.Next(&key, &zone); {
		if _, ok := want[key]; !ok {
			former = append(former, key)
		}
	}
	for _, key := range former {
		if err := k.Zones.Delete(&key); err != nil {
			return fmt.Errorf("take a zone from the kernel side: %w", err)
		}
	}
	return nil
}
