package windivert

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

var (
	iphlpapi        = windows.NewLazySystemDLL("iphlpapi.dll")
	getTCPTable     = iphlpapi.NewProc("GetExtendedTcpTable")
	getUDPTable     = iphlpapi.NewProc("GetExtendedUdpTable")
	setTCPEntry     = iphlpapi.NewProc("SetTcpEntry")
	tcpOwnerModule  = iphlpapi.NewProc("GetOwnerModuleFromTcpEntry")
	tcp6OwnerModule = iphlpapi.NewProc("GetOwnerModuleFromTcp6Entry")
	udpOwnerModule  = iphlpapi.NewProc("GetOwnerModuleFromUdpEntry")
	udp6OwnerModule = iphlpapi.NewProc("GetOwnerModuleFromUdp6Entry")
)

// The classes of tables that say who owns a row (TCP_TABLE_OWNER_MODULE_ALL,
// UDP_TABLE_OWNER_MODULE).
const (
	tcpOwnerModuleAll = 8
	udpOwnerModuleAll = 2
)

// source is a table of the system.
type source struct {
	layout
	read   *windows.LazyProc
	family uintptr
	class  uintptr
	module *windows.LazyProc // names the module of a row
}

var sources = []source{
	{tcp4Layout, getTCPTable, windows.AF_INET, tcpOwnerModuleAll, tcpOwnerModule},
	{tcp6Layout, getTCPTable, windows.AF_INET6, tcpOwnerModuleAll, tcp6OwnerModule},
	{udp4Layout, getUDPTable, windows.AF_INET, udpOwnerModuleAll, udpOwnerModule},
	{udp6Layout, getUDPTable, windows.AF_INET6, udpOwnerModuleAll, udp6OwnerModule},
}

// rows reads the table.
func (s source) rows() ([]tableRow, error) {
	size := uint32(1 << 16)
	for range 8 { // it may grow between two calls
		words := make([]uint64, size/8+1) // aligned as the system wants rows back
		b := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
		size = uint32(len(b))
		result, _, _ := s.read.Call(uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0, s.family, s.class, 0)
		switch err := windows.Errno(result); {
		case result == 0:
			return s.parse(b)
		case !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER):
			return nil, fmt.Errorf("read the table of %s connections: %w", s.protocol, err)
		}
		size += size / 4
	}
	return nil, fmt.Errorf("read the table of %s connections: it grows too fast", s.protocol)
}

// owner returns the row that a flow belongs to.
func owner(f firewall.Flow) (tableRow, bool) {
	rows, _ := rowsOf(f.Protocol)
	return find(rows, f)
}

// rowsOf reads the tables of a protocol. It is an error if none can be read: a
// computer may have no IPv6.
func rowsOf(p firewall.Protocol) (all []tableRow, err error) {
	read := false
	for _, s := range sources {
		if s.protocol == p {
			rows, e := s.rows()
			all, err, read = append(all, rows...), e, read || e == nil
		}
	}
	if read {
		err = nil
	}
	return all, err
}

// moduleInfo is TCPIP_OWNER_MODULE_BASIC_INFO: of a service, its name and its
// DLL's path.
type moduleInfo struct{ name, path *uint16 }

// service is what the system calls the module that opened the flow, which is
// the service in a process that hosts several; "" if it does not say.
func service(pid uint32, f firewall.Flow) string {
	r, ok := owner(f)
	if !ok || r.pid != pid {
		return ""
	}
	module := sources[slices.IndexFunc(sources, func(s source) bool { return s.layout == r.layout })].module
	if module.Find() != nil {
		return ""
	}
	buffer := make([]moduleInfo, 256)
	size := uint32(len(buffer)) * uint32(unsafe.Sizeof(moduleInfo{}))
	const basic = 0 // TCPIP_OWNER_MODULE_INFO_BASIC
	if result, _, _ := module.Call(uintptr(unsafe.Pointer(&r.raw[0])), basic, uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size))); result != 0 || buffer[0].name == nil {
		return ""
	}
	return windows.UTF16PtrToString(buffer[0].name)
}
