package windivert

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"sallyport.dev/sallyport/firewall"
)

// layout says where a kind of table has its fields, in bytes from a row's
// begin. A table is the number of rows in 32 bits, and from byte 8 on the rows.
type layout struct {
	protocol       firewall.Protocol
	size           int
	address        int // bytes of an address
	state          int // TCP only
	local, port    int
	remote, toPort int // TCP only
	pid            int
}

// The tables of the classes OWNER_MODULE_ALL and OWNER_MODULE (iprtrmib.h,
// tcpmib.h, udpmib.h), for 64-bit Windows.
var (
	tcp4Layout = layout{protocol: firewall.TCP, size: 160, address: 4, state: 0, local: 4, port: 8, remote: 12, toPort: 16, pid: 20}
	tcp6Layout = layout{protocol: firewall.TCP, size: 192, address: 16, state: 48, local: 0, port: 20, remote: 24, toPort: 44, pid: 52}
	udp4Layout = layout{protocol: firewall.UDP, size: 160, address: 4, local: 0, port: 4, pid: 8}
	udp6Layout = layout{protocol: firewall.UDP, size: 176, address: 16, local: 0, port: 20, pid: 24}
)

// TCP states of a row (MIB_TCP_STATE).
const (
	stateListen   = 2
	stateTimeWait = 11
	stateDelete   = 12
)

const tableHead = 8 // bytes before the first row

// tableRow is a row of a table.
type tableRow struct {
	connection
	layout layout
	raw    []byte // the row as the table has it
}

// parse reads a table. Rows of connections that are over, which belong to
// nobody, are left out.
func (l layout) parse(table []byte) ([]tableRow, error) {
	if len(table) < 4 {
		return nil, fmt.Errorf("table of %d bytes", len(table))
	}
	count := int(binary.NativeEndian.Uint32(table))
	if count > max(0, len(table)-tableHead)/l.size {
		return nil, fmt.Errorf("table of %d bytes: too short for %d rows", len(table), count)
	}
	rows := make([]tableRow, 0, count)
	for i := range count {
		at := tableHead + i*l.size
		if r, over := l.row(table[at : at+l.size]); !over {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func (l layout) row(b []byte) (r tableRow, over bool) {
	r = tableRow{layout: l, raw: b}
	r.Protocol, r.pid, r.listening = l.protocol, binary.NativeEndian.Uint32(b[l.pid:]), true
	r.Local = l.addrPort(b, l.local, l.port)
	if l.protocol != firewall.TCP {
		return r, false
	}
	state := binary.NativeEndian.Uint32(b[l.state:])
	if r.listening = state == stateListen; !r.listening {
		r.Remote = l.addrPort(b, l.remote, l.toPort)
	}
	return r, state == stateTimeWait || state == stateDelete
}

// addrPort reads an address, and a port in the first two bytes of a field of
// four, in the order of the network.
func (l layout) addrPort(row []byte, address, port int) netip.AddrPort {
	a, _ := netip.AddrFromSlice(row[address : address+l.address])
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(row[port:]))
}

// setDirections says of connections that a listener of the same process took
// that they came from outside.
func setDirections(rows []tableRow) {
	type listener struct {
		pid  uint32
		port uint16
	}
	listens := map[listener]bool{}
	for _, r := range rows {
		if r.Protocol == firewall.TCP && r.listening {
			listens[listener{r.pid, r.Local.Port()}] = true
		}
	}
	for i := range rows {
		if r := &rows[i]; r.listening || listens[listener{r.pid, r.Local.Port()}] {
			r.Direction = firewall.In
		}
	}
}

// find returns the row that a flow belongs to. Where several processes could
// be meant it finds none: nobody is to answer for another.
func find(rows []tableRow, f firewall.Flow) (found tableRow, ok bool) {
	f = f.Normal()
	best := 0
	for _, r := range rows {
		n := r.fits(f)
		switch {
		case n == 0 || n < best || r.pid == 0:
		case n > best:
			best, found, ok = n, r, true
		case r.pid != found.pid:
			ok = false
		}
	}
	return found, ok
}

// taken tells whether any socket may be meant by a flow from outside: one has
// its port here. What is sent to many reaches sockets of other addresses too.
func taken(rows []tableRow, f firewall.Flow) bool {
	return slices.ContainsFunc(rows, func(r tableRow) bool {
		return r.listening && r.Protocol == f.Protocol && r.Local.Port() == f.Local.Port()
	})
}

// fits says how well the row fits the flow: 0 is not at all. An exact address
// fits better than any address of the family, and that than any of both.
func (r *tableRow) fits(f firewall.Flow) int {
	if r.Protocol != f.Protocol || r.Local.Port() != f.Local.Port() || !f.Local.Addr().IsValid() {
		return 0
	}
	if !r.listening {
		if sameAddress(r.Local, f.Local) && sameAddress(r.Remote, f.Remote) {
			return 4
		}
		return 0
	}
	if f.Protocol == firewall.TCP && f.Direction == firewall.Out {
		return 0 // a listener opens nothing
	}
	switch here := r.Local.Addr(); {
	case sameAddress(r.Local, f.Local):
		return 3
	case here.IsUnspecified() && here.Is4() == f.Local.Addr().Is4():
		return 2
	case here.IsUnspecified() && here.Is6():
		return 1 // a socket of IPv6 that takes IPv4 too
	}
	return 0
}

func sameAddress(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().WithZone("") == b.Addr().WithZone("")
}
