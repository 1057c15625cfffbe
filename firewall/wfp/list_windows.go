package wfp

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The calls that list filters. Those of wf read every filter of every program
// whole, and fail at the first with a condition that wf does not know: what is
// ours could then not be removed.
var (
	fwpuclnt          = windows.NewLazySystemDLL("fwpuclnt.dll")
	engineOpen        = fwpuclnt.NewProc("FwpmEngineOpen0")
	engineClose       = fwpuclnt.NewProc("FwpmEngineClose0")
	filterCreateEnum  = fwpuclnt.NewProc("FwpmFilterCreateEnumHandle0")
	filterDestroyEnum = fwpuclnt.NewProc("FwpmFilterDestroyEnumHandle0")
	filterEnum        = fwpuclnt.NewProc("FwpmFilterEnum0")
	freeMemory        = fwpuclnt.NewProc("FwpmFreeMemory0")
)

const (
	authnWinNT = 10  // RPC_C_AUTHN_WINNT
	page       = 100 // filters listed in one call
)

// filter is the beginning of FWPM_FILTER0 (fwpmtypes.h).
type filter struct {
	key               windows.GUID
	name, description *uint16
	flags             uint32
	provider          *windows.GUID
}

// list returns the keys of all filters of our provider that outlive a process.
func list() (ids []ID, err error) {
	if err := fwpuclnt.Load(); err != nil {
		return nil, fmt.Errorf("open the Windows Filtering Platform: %w", err)
	}
	var engine, enum windows.Handle
	if r, _, _ := engineOpen.Call(0, authnWinNT, 0, 0, uintptr(unsafe.Pointer(&engine))); r != 0 {
		return nil, fmt.Errorf("open the Windows Filtering Platform (service BFE): %w", windows.Errno(r))
	}
	defer engineClose.Call(uintptr(engine))
	if r, _, _ := filterCreateEnum.Call(uintptr(engine), 0, uintptr(unsafe.Pointer(&enum))); r != 0 {
		return nil, fmt.Errorf("list the filters: %w", windows.Errno(r))
	}
	defer filterDestroyEnum.Call(uintptr(engine), uintptr(enum))
	for {
		var filters **filter
		var n uint32
		r, _, _ := filterEnum.Call(uintptr(engine), uintptr(enum), page, uintptr(unsafe.Pointer(&filters)), uintptr(unsafe.Pointer(&n)))
		if r != 0 {
			return nil, fmt.Errorf("list the filters: %w", windows.Errno(r))
		}
		if n > 0 && filters == nil {
			return nil, errors.New("list the filters: the system gave none where it counted some")
		}
		for _, f := range unsafe.Slice(filters, n) {
			if f.provider == nil || idOf(*f.provider) != provider {
				continue
			}
			if id := idOf(f.key); id != overrides[0].id() && id != overrides[1].id() {
				ids = append(ids, id)
			}
		}
		if filters != nil {
			freeMemory.Call(uintptr(unsafe.Pointer(&filters)))
		}
		if n < page {
			return ids, nil
		}
	}
}
