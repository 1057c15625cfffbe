package windiverttest

import (
	"encoding/binary"
	"slices"

	"sallyport.dev/sallyport/firewall"
)

// Address is the driver's WINDIVERT_ADDRESS (windivert.h of WinDivert 2.2).
type Address [80]byte

// Event is what happened to a socket; the numbers are the driver's.
type Event uint8

const (
	Connect Event = 4
	Close   Event = 7
)

const (
	layerSocket   = 3
	bitOutbound   = 0x02
	bitIPv6       = 0x10
	bitIPChecksum = 0x20
)

// SocketAddress is the address of an event. endpoint names the socket for as
// long as it exists.
func SocketAddress(e Event, f firewall.Flow, pid uint32, endpoint uint64) (a Address) {
	a[8], a[9], a[10] = layerSocket, byte(e), bitOutbound
	binary.LittleEndian.PutUint64(a[16:], endpoint)
	binary.LittleEndian.PutUint32(a[32:], pid)
	// The driver has the last byte of an IP address first.
	local, remote := f.Local.Addr().As16(), f.Remote.Addr().As16()
	slices.Reverse(local[:])
	slices.Reverse(remote[:])
	copy(a[36:], local[:])
	copy(a[52:], remote[:])
	binary.LittleEndian.PutUint16(a[68:], f.Local.Port())
	binary.LittleEndian.PutUint16(a[70:], f.Remote.Port())
	a[72] = byte(f.Protocol)
	return a
}

// Outbound is the address of a packet that leaves the computer, Inbound of one
// that comes. The network card computes the checksums of TCP and UDP.
func Outbound(packet []byte) Address {
	a := Inbound(packet)
	a[10] |= bitOutbound
	return a
}

func Inbound(packet []byte) (a Address) {
	const theInterface = 7
	a[10] = bitIPChecksum
	if packet[0]>>4 == 6 {
		a[10] |= bitIPv6
	}
	binary.LittleEndian.PutUint32(a[16:], theInterface)
	return a
}
