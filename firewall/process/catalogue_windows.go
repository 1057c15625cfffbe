package process

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	catAcquireContext  = wintrust.NewProc("CryptCATAdminAcquireContext2")
	catReleaseContext  = wintrust.NewProc("CryptCATAdminReleaseContext")
	catCalcHash        = wintrust.NewProc("CryptCATAdminCalcHashFromFileHandle2")
	catEnumFromHash    = wintrust.NewProc("CryptCATAdminEnumCatalogFromHash")
	catInfoFromContext = wintrust.NewProc("CryptCATCatalogInfoFromContext")
	catReleaseCatalog  = wintrust.NewProc("CryptCATAdminReleaseCatalogContext")
)

// catalogueInfo is CATALOG_INFO.
type catalogueInfo struct {
	size uint32
	path [windows.MAX_PATH]uint16
}

// trustCatalogue is WINTRUST_CATALOG_INFO.
type trustCatalogue struct {
	size        uint32
	version     uint32
	catalogue   *uint16
	tag         *uint16
	memberPath  *uint16
	member      windows.Handle
	hash        *byte
	hashSize    uint32
	context     uintptr
	catalogueDB windows.Handle
}

// catalogued looks for the file in the system's catalogues, in which the hashes
// of its own programs are signed, and verifies the first that has it.
func (f file) catalogued() (string, error) {
	var last error
	for _, algorithm := range []string{"SHA256", "SHA1"} {
		name, err := f.cataloguedBy(algorithm)
		if err == nil {
			return name, nil
		}
		last = err
	}
	return "", last
}

func (f file) cataloguedBy(algorithm string) (string, error) {
	if err := catAcquireContext.Find(); err != nil {
		return "", fmt.Errorf("look into the catalogues: %w", err)
	}
	var admin windows.Handle
	wide, _ := windows.UTF16PtrFromString(algorithm)
	if ok, _, err := catAcquireContext.Call(uintptr(unsafe.Pointer(&admin)), 0, uintptr(unsafe.Pointer(wide)), 0, 0); ok == 0 {
		return "", fmt.Errorf("open the catalogues: %w", err)
	}
	defer catReleaseContext.Call(uintptr(admin), 0)
	hash := make([]byte, 64)
	size := uint32(len(hash))
	if ok, _, err := catCalcHash.Call(uintptr(admin), uintptr(f.Handle), uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&hash[0])), 0); ok == 0 {
		return "", fmt.Errorf("hash %s: %w", f.path, err)
	}
	hash = hash[:size]
	context, _, _ := catEnumFromHash.Call(uintptr(admin), uintptr(unsafe.Pointer(&hash[0])), uintptr(size), 0, 0)
	if context == 0 {
		return "", fmt.Errorf("%s: %w", f.path, windows.Errno(windows.TRUST_E_NOSIGNATURE))
	}
	defer catReleaseCatalog.Call(uintptr(admin), context, 0)
	info := catalogueInfo{}
	info.size = uint32(unsafe.Sizeof(info))
	if ok, _, err := catInfoFromContext.Call(context, uintptr(unsafe.Pointer(&info)), 0); ok == 0 {
		return "", fmt.Errorf("find the catalogue: %w", err)
	}
	tag, _ := windows.UTF16PtrFromString(strings.ToUpper(hex.EncodeToString(hash)))
	member, err := windows.UTF16PtrFromString(longPath(f.path))
	if err != nil {
		return "", err
	}
	subject := &trustCatalogue{
		catalogue: &info.path[0], tag: tag, memberPath: member, member: f.Handle,
		hash: &hash[0], hashSize: size, catalogueDB: admin,
	}
	subject.size = uint32(unsafe.Sizeof(*subject))
	return verify(windows.WTD_CHOICE_CATALOG, unsafe.Pointer(subject))
}
