package importer

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"sallyport.dev/sallyport/firewall"
)

// maxRange bounds of how many ports or prefixes a range may consist: each is a
// rule of its own here.
const maxRange = 32

var (
	everyIPv4 = netip.MustParsePrefix("0.0.0.0/0")
	everyIPv6 = netip.MustParsePrefix("::/0")
)

// ports reads a port, or a range such as 20-21 as its ports.
func ports(s string) ([]uint16, error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	last, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	switch {
	case err1 != nil || err2 != nil || first == 0 || first > last:
		return nil, fmt.Errorf("%q is no port", s)
	case last-first >= maxRange:
		return nil, fmt.Errorf("%s: a range of more than %d ports", s, maxRange)
	}
	var list []uint16
	for p := first; p <= last; p++ {
		list = append(list, uint16(p))
	}
	return list, nil
}

// prefixes reads an address, a prefix, or a range such as 10.0.0.1-10.0.0.9 as
// the prefixes that it consists of.
func prefixes(s string) ([]netip.Prefix, error) {
	if from, to, isRange := strings.Cut(s, "-"); isRange {
		first, err1 := netip.ParseAddr(strings.TrimSpace(from))
		last, err2 := netip.ParseAddr(strings.TrimSpace(to))
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%q is no range of addresses", s)
		}
		return between(first.Unmap(), last.Unmap())
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return nil, fmt.Errorf("%s: an address of one interface only", s)
		}
		a = a.Unmap()
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no address", s)
	case p.Addr().Is4In6() && p.Bits() >= 96:
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	case p.Addr().Is4In6():
		return nil, fmt.Errorf("%s: IPv4 and IPv6 in one prefix", s)
	}
	return []netip.Prefix{p.Masked()}, nil
}

// between splits a range of addresses into prefixes.
func between(first, last netip.Addr) (list []netip.Prefix, err error) {
	if first.BitLen() != last.BitLen() || last.Less(first) || first.Zone()+last.Zone() != "" {
		return nil, errors.New("no range of addresses: the second is before the first, or of another kind")
	}
	for {
		if len(list) == maxRange {
			return nil, fmt.Errorf("a range of more than %d prefixes", maxRange)
		}
		// The widest prefix that begins here and ends in time.
		bits := first.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(first, bits-1)
			if wider.Masked().Addr() != first || last.Less(end(wider)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(first, bits)
		list = append(list, p)
		if end(p) == last {
			return list, nil
		}
		first = end(p).Next()
	}
}

// end is the last address of a prefix.
func end(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// hostName reads one whole host name.
func hostName(s string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	if err := (firewall.Rule{ID: "r", Program: firewall.AnyProgram, Host: name}).Validate(); err != nil || name == "" {
		return "", fmt.Errorf("%q is not one host name", s)
	}
	return name, nil
}

// within limits a rule to a kind of addresses; ok is false if it has others.
func within(r *firewall.Rule, all netip.Prefix) (ok bool) {
	if !r.Remote.IsValid() {
		r.Remote = all
	}
	return r.Remote.Addr().BitLen() == all.Addr().BitLen()
}
