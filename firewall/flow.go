package firewall

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Protocol is an IP protocol number as IANA assigns them. ICMPv6 counts as
// [ICMP]: the addresses tell which of the two it is. Zero is "any" in a rule.
type Protocol uint8

// The protocols that have a name of their own.
const (
	AnyProtocol Protocol = 0
	ICMP        Protocol = 1
	IGMP        Protocol = 2
	TCP         Protocol = 6
	UDP         Protocol = 17
	DCCP        Protocol = 33
	GRE         Protocol = 47
	ESP         Protocol = 50
	AH          Protocol = 51
	ICMPv6      Protocol = 58
	SCTP        Protocol = 132
	UDPLite     Protocol = 136
)

var protocolNames = map[Protocol]string{
	AnyProtocol: "any", ICMP: "icmp", IGMP: "igmp", TCP: "tcp", UDP: "udp", DCCP: "dccp",
	GRE: "gre", ESP: "esp", AH: "ah", ICMPv6: "icmp", SCTP: "sctp", UDPLite: "udplite",
}

// String gives the name in lower case, or the number.
func (p Protocol) String() string {
	if name, ok := protocolNames[p]; ok {
		return name
	}
	return strconv.Itoa(int(p))
}

// MarshalText writes the protocol as [Protocol.String] does.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a name or a number from 0 to 255; "" and "any" are any.
func (p *Protocol) UnmarshalText(text []byte) error {
	s := strings.ToLower(string(text))
	if s == "" {
		*p = AnyProtocol
		return nil
	}
	for number, name := range protocolNames {
		if name == s && number != ICMPv6 {
			*p = number
			return nil
		}
	}
	if s == "icmpv6" || s == "ipv6-icmp" || s == strconv.Itoa(int(ICMPv6)) {
		*p = ICMP
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return fmt.Errorf("protocol %q: want tcp, udp, icmp, another protocol's name, or a number from 0 to 255", text)
	}
	*p = Protocol(n)
	return nil
}

// HasPorts tells whether flows of this protocol have port numbers.
func (p Protocol) HasPorts() bool {
	return p == TCP || p == UDP || p == UDPLite || p == SCTP || p == DCCP
}

// Direction tells who opened the flow.
type Direction uint8

// Out is a flow that a program here opened, In one that came from outside.
const (
	Out Direction = iota
	In
)

// String gives "out" or "in".
func (d Direction) String() string {
	if d == In {
		return "in"
	}
	return "out"
}

// MarshalText writes "out" or "in".
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "out" or "in"; "" is out.
func (d *Direction) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "", "out":
		*d = Out
	case "in":
		*d = In
	default:
		return fmt.Errorf("direction %q: want out or in", text)
	}
	return nil
}

// Flow is what the packets of one connection or exchange have in common.
// Ports are 0 for protocols without them; v4-mapped addresses are unmapped;
// ICMPv6 is [ICMP].
type Flow struct {
	Protocol  Protocol
	Direction Direction
	Local     netip.AddrPort
	Remote    netip.AddrPort
	ICMP      uint16 // of ICMP and ICMPv6 the packet's type, plus 1; 0 if it is not known, and for other protocols
}

// Normal returns the flow in the form in which flows are compared.
func (f Flow) Normal() Flow {
	if f.Protocol == ICMPv6 {
		f.Protocol = ICMP
	}
	f.Local = netip.AddrPortFrom(f.Local.Addr().Unmap(), f.Local.Port())
	f.Remote = netip.AddrPortFrom(f.Remote.Addr().Unmap(), f.Remote.Port())
	return f
}

// ports returns the port that is connected to, which is here if the flow comes
// from outside, and that of who connects.
func (f Flow) ports() (destination, origin uint16) {
	if f.Direction == In {
		return f.Local.Port(), f.Remote.Port()
	}
	return f.Remote.Port(), f.Local.Port()
}

// Destination is what the flow leads to: the remote address, and the port that
// is connected to. See [ThisDestination].
func (f Flow) Destination() netip.AddrPort {
	port, _ := f.ports()
	return netip.AddrPortFrom(f.Remote.Addr(), port)
}
