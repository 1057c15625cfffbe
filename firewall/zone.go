package firewall

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Zone is a part of the world that rules may name. Every address is in one.
type Zone uint8

const (
	// AnyZone is, in a rule, no condition.
	AnyZone Zone = iota
	// ThisComputer are its own loopback addresses.
	ThisComputer
	// TrustedZone are the networks that the person trusts.
	TrustedZone
	// InternetZone is everything else.
	InternetZone
	// BlockedZone are addresses with which nothing is exchanged, whatever rules say.
	BlockedZone
)

var zoneNames = [...]string{AnyZone: "", ThisComputer: "computer", TrustedZone: "trusted", InternetZone: "internet", BlockedZone: "blocked"}

// String gives "computer", "trusted", "internet" or "blocked", and "" for AnyZone.
func (z Zone) String() string {
	if int(z) < len(zoneNames) {
		return zoneNames[z]
	}
	return ""
}

// MarshalText writes the zone as [Zone.String] does.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText reads a zone's name.
func (z *Zone) UnmarshalText(text []byte) error {
	for i, name := range zoneNames {
		if strings.EqualFold(name, string(text)) {
			*z = Zone(i)
			return nil
		}
	}
	return fmt.Errorf("zone %q: want computer, trusted, internet or blocked", text)
}

// Zones say which addresses are in which zone. They are immutable. By the zero
// Zones, all that is not this computer is internet. The longest prefix counts.
type Zones struct {
	of      map[netip.Prefix]Zone
	lengths [2][]int // of the prefixes of IPv4 and IPv6, longest first
	blocked int      // prefixes of the zone
}

// ErrNotAZone is the error of [NewZones] for a zone that prefixes cannot be put in.
var ErrNotAZone = errors.New("addresses are trusted, internet or blocked")

// NewZones puts prefixes into zones.
func NewZones(of map[netip.Prefix]Zone) (Zones, error) {
	z := Zones{of: make(map[netip.Prefix]Zone, len(of))}
	for p, zone := range of {
		if !p.IsValid() || p.Addr().Is4In6() {
			return Zones{}, fmt.Errorf("zone %s: %s is not a prefix", zone, p)
		}
		if zone < TrustedZone || zone > BlockedZone {
			return Zones{}, fmt.Errorf("zone %q for %s: %w", zone, p, ErrNotAZone)
		}
		p = p.Masked()
		if before, ok := z.of[p]; ok && before > zone {
			zone = before // the same network twice: the stricter counts
		}
		z.of[p] = zone
	}
	for p, zone := range z.of {
		family := 0
		if p.Addr().Is6() {
			family = 1
		}
		if !slices.Contains(z.lengths[family], p.Bits()) {
			z.lengths[family] = append(z.lengths[family], p.Bits())
		}
		if zone == BlockedZone {
			z.blocked++
		}
	}
	for i := range z.lengths {
		slices.Sort(z.lengths[i])
		slices.Reverse(z.lengths[i])
	}
	return z, nil
}

// Of is the zone that an address is in. The cost depends on how many lengths
// the prefixes have, not on their number.
func (z Zones) Of(addr netip.Addr) Zone {
	addr = addr.Unmap().WithZone("")
	if addr.IsLoopback() {
		return ThisComputer
	}
	family := 0
	if addr.Is6() {
		family = 1
	}
	for _, bits := range z.lengths[family] {
		p, err := addr.Prefix(bits)
		if err != nil {
			break
		}
		if zone, ok := z.of[p]; ok {
			return zone
		}
	}
	return InternetZone
}

// All returns the prefixes with their zones.
func (z Zones) All() map[netip.Prefix]Zone { return maps.Clone(z.of) }

// Len is the number of prefixes.
func (z Zones) Len() int { return len(z.of) }

// Equal tells whether every address is in the same zone by both.
func (z Zones) Equal(o Zones) bool { return maps.Equal(z.of, o.of) }
