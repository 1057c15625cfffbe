package windivert

import (
	"errors"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// assumedResolvers are addresses that Windows lists where nobody configured a
// resolver, and that nobody has (draft-ietf-ipv6-dns-discovery).
var assumedResolvers = netip.MustParsePrefix("fec0:0:0:ffff::/64")

// resolvers are those of the network adapters that are up, without what a
// browser or a policy for some names uses beside them.
func (computer) resolvers() (all []netip.Addr) {
	const flags = windows.GAA_FLAG_SKIP_UNICAST | windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST | windows.GAA_FLAG_SKIP_FRIENDLY_NAME
	size := uint32(1 << 15)
	var words []uint64
	for range 8 { // it may grow between two calls
		words = make([]uint64, size/8+1)
		size = uint32(len(words)) * 8
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, (*windows.IpAdapterAddresses)(unsafe.Pointer(&words[0])), &size)
		if err == nil {
			break
		}
		if words = nil; !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) {
			return nil
		}
	}
	if words == nil {
		return nil
	}
	for a := (*windows.IpAdapterAddresses)(unsafe.Pointer(&words[0])); a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for d := a.FirstDnsServerAddress; d != nil; d = d.Next {
			addr, ok := netip.AddrFromSlice(d.Address.IP())
			if addr = addr.Unmap(); ok && !assumedResolvers.Contains(addr) && !slices.Contains(all, addr) {
				all = append(all, addr)
			}
		}
	}
	return all
}
