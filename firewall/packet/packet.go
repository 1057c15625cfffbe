package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"sallyport.dev/sallyport/firewall"
)

// Errors of [Parse].
var (
	ErrShort   = errors.New("packet ends within a header")
	ErrVersion = errors.New("packet is neither IPv4 nor IPv6")
	ErrHeader  = errors.New("packet has a header with impossible lengths")
	ErrChain   = errors.New("packet has too many IPv6 extension headers")
)

// TCP flags as RFC 9293 numbers them.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Packet is what the headers of one packet say. It keeps pointing into the
// bytes that were parsed.
type Packet struct {
	Flow     firewall.Flow
	Length   int   // of the whole packet in bytes, as its header says; the bytes at hand may be fewer
	TCPFlags uint8 // 0 for other protocols
	ICMPType uint8 // of ICMP and ICMPv6; 0 for other protocols
	ICMPCode uint8
	// Fragment tells that this is a later fragment: the transport header was
	// in the first one, so ports and flags are 0 and not known.
	Fragment bool
	// Transport is the transport header and what follows it, as far as at hand;
	// nil for a later fragment.
	Transport []byte
	// Payload is what follows the transport header, as far as at hand.
	Payload []byte
}

// Opens tells whether the packet is the first of a TCP connection.
func (p Packet) Opens() bool {
	return p.Flow.Protocol == firewall.TCP && p.TCPFlags&(SYN|ACK) == SYN
}

// Parse reads the packet that b begins with. The direction says which of its
// two addresses is the local one.
func Parse(b []byte, d firewall.Direction) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, ErrShort
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b, d)
	case 6:
		return parseIPv6(b, d)
	}
	return Packet{}, ErrVersion
}

const ipv4Header = 20

func parseIPv4(b []byte, d firewall.Direction) (Packet, error) {
	if len(b) < ipv4Header {
		return Packet{}, ErrShort
	}
	header := int(b[0]&0x0f) * 4
	length := int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Header || length < header {
		return Packet{}, ErrHeader
	}
	if len(b) < header {
		return Packet{}, ErrShort
	}
	p := Packet{Length: length, Fragment: binary.BigEndian.Uint16(b[6:])&0x1fff != 0}
	source := netip.AddrFrom4([4]byte(b[12:16]))
	target := netip.AddrFrom4([4]byte(b[16:20]))
	return p.transport(b[header:min(len(b), length)], firewall.Protocol(b[9]), source, target, d)
}

const (
	ipv6Header = 40
	// RFC 8200 orders a sender to use each extension header once, destination
	// options twice; the kernel queues no packet with more than these.
	maxExtensions = 8

	hopByHop     = 0
	routing      = 43
	fragment     = 44
	destinations = 60
)

func parseIPv6(b []byte, d firewall.Direction) (Packet, error) {
	if len(b) < ipv6Header {
		return Packet{}, ErrShort
	}
	p := Packet{Length: ipv6Header + int(binary.BigEndian.Uint16(b[4:]))}
	source := netip.AddrFrom16([16]byte(b[8:24]))
	target := netip.AddrFrom16([16]byte(b[24:40]))
	next := b[6]
	rest := b[ipv6Header:min(len(b), p.Length)]
	for range maxExtensions {
		header := 8
		switch next {
		case hopByHop, routing, destinations:
			if len(rest) < 2 {
				return Packet{}, ErrShort
			}
			header = 8 * (1 + int(rest[1]))
		case fragment:
			if len(rest) < header {
				return Packet{}, ErrShort
			}
			p.Fragment = p.Fragment || binary.BigEndian.Uint16(rest[2:])&0xfff8 != 0
		default:
			return p.transport(rest, firewall.Protocol(next), source, target, d)
		}
		if len(rest) < header {
			return Packet{}, ErrShort
		}
		next, rest = rest[0], rest[header:]
		if p.Fragment {
			// What follows in a later fragment is the middle of something.
			return p.transport(rest, firewall.Protocol(next), source, target, d)
		}
	}
	return Packet{}, ErrChain
}

// transport completes the packet from the bytes that follow the IP headers.
func (p Packet) transport(b []byte, proto firewall.Protocol, source, target netip.Addr, d firewall.Direction) (Packet, error) {
	header := 0
	switch {
	case p.Fragment:
	case proto == firewall.TCP:
		header = 20
		if len(b) < header {
			return Packet{}, ErrShort
		}
		if header = int(b[12]>>4) * 4; header < 20 {
			return Packet{}, ErrHeader
		}
		p.TCPFlags = b[13]
	case proto == firewall.UDP || proto == firewall.UDPLite:
		header = 8
	case proto == firewall.SCTP || proto == firewall.DCCP:
		header = 12
	case proto == firewall.ICMP || proto == firewall.ICMPv6:
		header = 4
	}
	if len(b) < header {
		return Packet{}, ErrShort
	}
	p.Payload = b[header:]
	if !p.Fragment {
		p.Transport = b
	}
	var sourcePort, targetPort uint16
	switch {
	case p.Fragment:
	case proto.HasPorts():
		sourcePort, targetPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	case proto == firewall.ICMP || proto == firewall.ICMPv6:
		p.ICMPType, p.ICMPCode = b[0], b[1]
	}
	var icmp uint16
	if !p.Fragment && (proto == firewall.ICMP || proto == firewall.ICMPv6) {
		icmp = uint16(p.ICMPType) + 1
	}
	p.Flow = firewall.Flow{Protocol: proto, Direction: d, ICMP: icmp,
		Local: netip.AddrPortFrom(source, sourcePort), Remote: netip.AddrPortFrom(target, targetPort)}
	if d == firewall.In {
		p.Flow.Local, p.Flow.Remote = p.Flow.Remote, p.Flow.Local
	}
	p.Flow = p.Flow.Normal()
	return p, nil
}
