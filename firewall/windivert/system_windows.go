package windivert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// errCannotCut is cut's error for connections that the system ends for nobody:
// those of IPv6. Resets to both ends do it.
var errCannotCut = errors.New("windows ends connections of IPv4 only")

// computer is the system that this process runs on.
type computer struct{}

func newSystem() system { return computer{} }

func (computer) owner(f firewall.Flow) (uint32, bool) {
	rows, err := rowsOf(f.Protocol)
	r, ok := find(rows, f)
	return r.pid, ok || f.Direction == firewall.In && (err != nil || taken(rows, f))
}

func (computer) connections() ([]connection, error) {
	var all []tableRow
	var errs []error
	for _, s := range sources {
		rows, err := s.rows()
		if err != nil {
			errs = append(errs, err)
		}
		all = append(all, rows...)
	}
	if len(errs) == len(sources) {
		return nil, errors.Join(errs...)
	}
	setDirections(all)
	list := make([]connection, len(all))
	for i, r := range all {
		list[i] = r.connection
	}
	return list, nil
}

// identify knows no number of a user: Windows has names and SIDs.
func (computer) identify(pid uint32, f firewall.Flow, seen time.Time) (r process.Running, uid int) {
	return process.Identify(int(pid), func() string { return service(pid, f) }, seen), -1
}

func (computer) cut(f firewall.Flow) error {
	f = f.Normal()
	if f.Protocol != firewall.TCP || !f.Local.Addr().Is4() || !f.Remote.Addr().Is4() {
		return fmt.Errorf("end the connection to %s: %w", f.Remote, errCannotCut)
	}
	row := tcpRow(f, stateDelete)
	if result, _, _ := setTCPEntry.Call(uintptr(unsafe.Pointer(&row))); result != 0 {
		return fmt.Errorf("end the connection to %s: %w", f.Remote, windows.Errno(result))
	}
	return nil
}

// tcpRow is MIB_TCPROW: the state, then both ends, ports in the order of the
// network.
func tcpRow(f firewall.Flow, state uint32) (row [5]uint32) {
	end := func(a netip.AddrPort) (address, port uint32) {
		b := a.Addr().As4()
		var p [4]byte
		binary.BigEndian.PutUint16(p[:], a.Port())
		return binary.NativeEndian.Uint32(b[:]), binary.NativeEndian.Uint32(p[:])
	}
	row[0] = state
	row[1], row[2] = end(f.Local)
	row[3], row[4] = end(f.Remote)
	return row
}
