package windivert

import (
	"fmt"

	"sallyport.dev/sallyport/firewall"
)

// The filters are in WinDivert's language (WinDivert 2.2 documentation, section
// 7). One has at most 256 tests, so that what depends on rules is decided here
// and not there.
const (
	// filterSockets tells who opens what.
	filterSockets = "event == CONNECT or event == ACCEPT or event == LISTEN or event == BIND or event == CLOSE"

	// filterPackets takes what may open a flow, from here or from outside, and
	// with it the answers of resolvers: these are known before the program that
	// asked can use them.
	filterPackets = "!loopback and !impostor and (" +
		"(outbound and ((tcp.Syn and !tcp.Ack) or udp or icmp or icmpv6 or fragment)) or " +
		"(inbound and ((tcp.Syn and !tcp.Ack) or udp)))"

	// filterLock takes all that filterPackets leaves: under lock the driver
	// drops it, and attempts are still seen, refused at once and logged.
	filterLock = "!loopback and (inbound or " +
		"(!udp and !icmp and !icmpv6 and !fragment and (!tcp or !tcp.Syn or tcp.Ack)))"
)

// A handle of a higher priority sees a packet first, and what is injected goes
// to handles of a lower one only: our resets are not dropped by the lock.
const (
	prioritySockets = 0
	priorityPackets = 100
	priorityCut     = 150
	priorityLock    = 200
)

// filterConnection takes the packets of one TCP connection, both ways.
func filterConnection(f firewall.Flow) string {
	ip := "ip"
	if f.Local.Addr().Is6() {
		ip = "ipv6"
	}
	one := func(from, to string, source, target fmt.Stringer, sourcePort, targetPort uint16) string {
		return fmt.Sprintf("%s.%s == %s and %s.%s == %s and tcp.SrcPort == %d and tcp.DstPort == %d",
			ip, from, source, ip, to, target, sourcePort, targetPort)
	}
	local, remote := f.Local.Addr().WithZone(""), f.Remote.Addr().WithZone("")
	return "!loopback and !impostor and (" +
		"(outbound and " + one("SrcAddr", "DstAddr", local, remote, f.Local.Port(), f.Remote.Port()) + ") or " +
		"(inbound and " + one("SrcAddr", "DstAddr", remote, local, f.Remote.Port(), f.Local.Port()) + "))"
}
