package windivert

import (
	"encoding/binary"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 20
	hopLimit   = 64 // RFC 1700's default of the time to live

	// maxQuoted is how much of a packet an ICMP error quotes (RFC 4443): all
	// that keeps the error within IPv6's least MTU of 1,280 bytes.
	maxQuoted = 1280 - ipv6Header - 8
	// maxQuoted4 is the same for IPv4, of 576 bytes (RFC 1812).
	maxQuoted4 = 576 - ipv4Header - 8
)

// segment is a TCP segment that carries nothing.
type segment struct {
	flow                firewall.Flow // as its sender sees it
	flags               byte
	sequence, confirmed uint32
}

// reset answers a segment that opens a connection: nobody listens (RFC 9293,
// 3.5.2). ok is false if the packet is no such segment.
func reset(syn []byte) (answer []byte, ok bool) {
	p, err := packet.Parse(syn, firewall.Out)
	if err != nil || !p.Opens() || mapped(syn, p) {
		return nil, false
	}
	f := p.Flow
	f.Local, f.Remote = f.Remote, f.Local
	// A segment that opens carries data only with TCP Fast Open; all of it is
	// confirmed.
	next := sequenceOf(p) + 1 + uint32(len(p.Payload))
	return segment{flow: f, flags: packet.RST | packet.ACK, confirmed: next}.bytes(), true
}

// sequenceOf reads the sequence number of a segment.
func sequenceOf(p packet.Packet) uint32 { return binary.BigEndian.Uint32(p.Transport[4:]) }

// confirmedOf reads the acknowledgement number of a segment.
func confirmedOf(p packet.Packet) uint32 { return binary.BigEndian.Uint32(p.Transport[8:]) }

// mapped tells whether an IPv6 packet has addresses of IPv4 in it: nobody but
// a forger sends these.
func mapped(b []byte, p packet.Packet) bool {
	return (b[0]>>4 == 4) != p.Flow.Local.Addr().Is4() || p.Flow.Local.Addr().Is4() != p.Flow.Remote.Addr().Is4()
}

// bytes builds the packet.
func (s segment) bytes() []byte {
	b, payload := ipPacket(s.flow, tcpHeader)
	binary.BigEndian.PutUint16(payload, s.flow.Local.Port())
	binary.BigEndian.PutUint16(payload[2:], s.flow.Remote.Port())
	binary.BigEndian.PutUint32(payload[4:], s.sequence)
	binary.BigEndian.PutUint32(payload[8:], s.confirmed)
	payload[12] = tcpHeader / 4 << 4
	payload[13] = s.flags
	binary.BigEndian.PutUint16(payload[16:], checksum(payload, pseudo(s.flow, len(payload))))
	return b
}

// unreachable answers a datagram: its port cannot be reached (RFC 792 and RFC
// 4443). ok is false where no error may be sent (RFC 1122, 3.2.2).
func unreachable(datagram []byte) (answer []byte, ok bool) {
	p, err := packet.Parse(datagram, firewall.Out)
	if err != nil || p.Fragment || p.Flow.Protocol != firewall.UDP || mapped(datagram, p) {
		return nil, false
	}
	remote := p.Flow.Remote.Addr()
	if remote.IsMulticast() || remote.IsUnspecified() || remote.Is4() && remote.As4() == [4]byte{255, 255, 255, 255} {
		return nil, false
	}
	f := firewall.Flow{Protocol: firewall.ICMP, Local: p.Flow.Remote, Remote: p.Flow.Local}
	kind, code, most := byte(3), byte(3), maxQuoted4
	if remote.Is6() {
		f.Protocol = firewall.ICMPv6
		kind, code, most = 1, 4, maxQuoted
	}
	quoted := datagram[:min(len(datagram), p.Length, most)]
	b, payload := ipPacket(f, 8+len(quoted))
	payload[0], payload[1] = kind, code
	copy(payload[8:], quoted)
	sum := uint32(0)
	if remote.Is6() {
		sum = pseudo(f, len(payload))
	}
	binary.BigEndian.PutUint16(payload[2:], checksum(payload, sum))
	return b, true
}

// ipPacket builds the IP header of a packet from f's local to its remote
// address.
func ipPacket(f firewall.Flow, length int) (b, payload []byte) {
	if f.Local.Addr().Is4() {
		b = make([]byte, ipv4Header+length)
		b[0] = 4<<4 | ipv4Header/4
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[8], b[9] = hopLimit, byte(f.Protocol)
		copy(b[12:], f.Local.Addr().AsSlice())
		copy(b[16:], f.Remote.Addr().AsSlice())
		binary.BigEndian.PutUint16(b[10:], checksum(b[:ipv4Header], 0))
		return b, b[ipv4Header:]
	}
	b = make([]byte, ipv6Header+length)
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	b[6], b[7] = byte(f.Protocol), hopLimit
	copy(b[8:], f.Local.Addr().AsSlice())
	copy(b[24:], f.Remote.Addr().AsSlice())
	return b, b[ipv6Header:]
}

// pseudo sums the pseudo header of RFC 9293 and RFC 8200.
func pseudo(f firewall.Flow, length int) uint32 {
	sum := uint32(f.Protocol) + uint32(length)
	for _, addr := range [...][]byte{f.Local.Addr().AsSlice(), f.Remote.Addr().AsSlice()} {
		for i := 0; i < len(addr); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(addr[i:]))
		}
	}
	return sum
}

// checksum is the internet checksum (RFC 1071) of b, whose own field is zero,
// and of what was summed before.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
