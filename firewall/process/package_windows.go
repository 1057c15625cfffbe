package process

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	kernel32               = windows.NewLazySystemDLL("kernel32.dll")
	getPackageFamilyName   = kernel32.NewProc("GetPackageFamilyName")
	getPackageFullName     = kernel32.NewProc("GetPackageFullName")
	getPackagePath         = kernel32.NewProc("GetPackagePathByFullName")
	getStagedPackageOrigin = kernel32.NewProc("GetStagedPackageOrigin")
)

// Where a package may come from whose publisher somebody has verified
// (PackageOrigin of appmodel.h). Others can claim any name.
const (
	originInbox           = 2
	originStore           = 3
	originDeveloperSigned = 5
	originLineOfBusiness  = 6
)

// family is the family name of the package that the process's executable
// belongs to, or "". A program from elsewhere, started by a packaged one, has
// its identity but does not belong to it.
func (p opened) family(executable string) string {
	for _, proc := range []*windows.LazyProc{getPackageFamilyName, getPackageFullName, getPackagePath, getStagedPackageOrigin} {
		if proc.Find() != nil {
			return ""
		}
	}
	family, full := packageText(getPackageFamilyName, uintptr(p.Handle)), packageText(getPackageFullName, uintptr(p.Handle))
	if family == "" || full == "" {
		return ""
	}
	name, err := windows.UTF16PtrFromString(full)
	if err != nil {
		return ""
	}
	var origin uint32
	if result, _, _ := getStagedPackageOrigin.Call(uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&origin))); result != 0 {
		return ""
	}
	switch origin {
	case originInbox, originStore, originDeveloperSigned, originLineOfBusiness:
	default:
		return ""
	}
	if folder := packageText(getPackagePath, uintptr(unsafe.Pointer(name))); !isBelow(executable, plainPath(folder)) {
		return ""
	}
	return family
}

// packageText calls one of the functions that write a text about of.
func packageText(proc *windows.LazyProc, of uintptr) string {
	buffer := make([]uint16, 1<<15)
	size := uint32(len(buffer))
	if result, _, _ := proc.Call(of, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&buffer[0]))); result != 0 {
		return ""
	}
	return windows.UTF16ToString(buffer)
}
