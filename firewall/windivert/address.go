package windivert

import (
	"encoding/binary"
	"net/netip"

	"sallyport.dev/sallyport/firewall"
)

// Where the fields of a WINDIVERT_ADDRESS are (windivert.h of WinDivert 2.2);
// numbers are little-endian.
const (
	addressEvent     = 9
	addressFlags     = 10
	addressInterface = 16 // of packets: interface and subinterface
	addressEndpoint  = 16 // of socket events, as all that follows
	addressProcess   = 32
	addressLocal     = 36
	addressRemote    = 52
	addressLocalPort = 68
	addressPort      = 70
	addressProtocol  = 72
)

// Bits of the address's flags.
const (
	bitOutbound = 0x02
	bitLoopback = 0x04
	bitIPv6     = 0x10
	bitChecksum = 0x20 | 0x40 | 0x80 // of IP, TCP and UDP: is valid
)

// socketEvent is what happened to a socket; the numbers are the driver's.
type socketEvent uint8

const (
	eventBind    socketEvent = 3
	eventConnect socketEvent = 4
	eventAccept  socketEvent = 6
	eventClose   socketEvent = 7
)

func (a *address) outbound() bool     { return a[addressFlags]&bitOutbound != 0 }
func (a *address) loopback() bool     { return a[addressFlags]&bitLoopback != 0 }
func (a *address) event() socketEvent { return socketEvent(a[addressEvent]) }

// endpoint names the socket of an event for as long as it exists.
func (a *address) endpoint() uint64 { return binary.LittleEndian.Uint64(a[addressEndpoint:]) }

func (a *address) process() uint32 { return binary.LittleEndian.Uint32(a[addressProcess:]) }

// flow is the flow of a socket event, as a program that sends sees it.
func (a *address) flow() firewall.Flow {
	f := firewall.Flow{
		Protocol: firewall.Protocol(a[addressProtocol]),
		Local:    netip.AddrPortFrom(addrOf(a[addressLocal:addressRemote]), binary.LittleEndian.Uint16(a[addressLocalPort:])),
		Remote:   netip.AddrPortFrom(addrOf(a[addressRemote:addressLocalPort]), binary.LittleEndian.Uint16(a[addressPort:])),
	}.Normal()
	if !f.Protocol.HasPorts() {
		// For ICMP the driver puts type and code there.
		f.Local, f.Remote = netip.AddrPortFrom(f.Local.Addr(), 0), netip.AddrPortFrom(f.Remote.Addr(), 0)
	}
	return f
}

// addrOf reads an address, of which the driver has the last byte first.
func addrOf(b []byte) netip.Addr {
	var reversed [16]byte
	for i := range reversed {
		reversed[i] = b[15-i]
	}
	return netip.AddrFrom16(reversed).Unmap()
}

// computed has the driver compute the checksums of IP, TCP and UDP: those of a
// captured packet may have been left to the network card.
func (a address) computed() address {
	a[addressFlags] &^= bitChecksum
	return a
}

// returned is the address of our answer to a packet: it goes the other way, by
// the same interface.
func (a address) returned() address {
	a = a.computed()
	a[addressFlags] ^= bitOutbound
	return a
}

// outboundAddress is the address of a packet that we send first; the system
// chooses the interface.
func outboundAddress(f firewall.Flow) (a address) {
	a[addressFlags] = bitOutbound
	if f.Local.Addr().Is6() {
		a[addressFlags] |= bitIPv6
	}
	return a
}
