package firewall

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ICMPType is a type of ICMP in a rule, plus 1; 0 is any. Types that ICMP and
// ICMPv6 have both, under other numbers, go by that of ICMP.
type ICMPType uint16

// icmpNames are the types that have a name here (RFC 792, RFC 4443, RFC 4861).
var icmpNames = map[string]uint8{
	"echo-reply": 0, "packet-too-big": 2, "unreachable": 3, "echo-request": 8, "time-exceeded": 11, "parameter-problem": 12,
	"router-solicitation": 133, "router-advertisement": 134, "neighbour-solicitation": 135, "neighbour-advertisement": 136,
}

// icmpSix are types of ICMP that ICMPv6 has under another number.
var icmpSix = map[uint8]uint8{0: 129, 3: 1, 8: 128, 11: 3, 12: 4}

// String gives a name such as "echo-request", or the number; "" is any.
func (t ICMPType) String() string {
	if t == 0 {
		return ""
	}
	for name, n := range icmpNames {
		if n == uint8(t-1) {
			return name
		}
	}
	return strconv.Itoa(int(t - 1))
}

// MarshalText writes the type as [ICMPType.String] does.
func (t ICMPType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a name, or a number from 0 to 255; "" and "any" are any.
func (t *ICMPType) UnmarshalText(text []byte) error {
	s := strings.ToLower(string(text))
	if s == "" || s == "any" {
		*t = 0
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if named, ok := icmpNames[s]; ok {
		n, err = uint64(named), nil
	}
	if err != nil {
		return fmt.Errorf("ICMP type %q: want %s, or a number from 0 to 255", text, strings.Join(slices.Sorted(maps.Keys(icmpNames)), ", "))
	}
	*t = ICMPType(n) + 1
	return nil
}

// meets tells whether the flow is of the type.
func (t ICMPType) meets(f *Flow) bool {
	switch {
	case t == 0:
		return true
	case f.ICMP == 0:
		return false
	}
	six, other := icmpSix[uint8(t-1)]
	if other && f.Remote.Addr().Is6() {
		return uint16(six)+1 == f.ICMP
	}
	if f.Remote.Addr().Is6() && slices.Contains(slices.Collect(maps.Values(icmpSix)), uint8(t-1)) {
		return false // that number is another type in ICMPv6
	}
	return uint16(t) == f.ICMP
}
