package process

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
)

// texts are what an executable's version resource says of it.
type texts struct{ product, description string }

var (
	versionDLL              = windows.NewLazySystemDLL("version.dll")
	getFileVersionInfoSizeX = versionDLL.NewProc("GetFileVersionInfoSizeExW")
	getFileVersionInfoX     = versionDLL.NewProc("GetFileVersionInfoExW")
)

// inTheFileItself reads the resource of the file and of no translation beside
// it, which the file's signature does not cover (FILE_VER_GET_NEUTRAL).
const inTheFileItself = 2

// textsOf reads the version resource of the file at path; what it does not
// say is empty.
func textsOf(path string) texts {
	name, err := windows.UTF16PtrFromString(longPath(path))
	if err != nil {
		return texts{}
	}
	var ignored uint32
	size, _, _ := getFileVersionInfoSizeX.Call(inTheFileItself, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&ignored)))
	if size == 0 || size > 1<<24 {
		return texts{}
	}
	block := make([]uint64, size/8+1)
	if ok, _, _ := getFileVersionInfoX.Call(inTheFileItself, uintptr(unsafe.Pointer(name)), 0, size, uintptr(unsafe.Pointer(&block[0]))); ok == 0 {
		return texts{}
	}
	resource := unsafe.Pointer(&block[0])
	language := uint32(0x04b0_0409) // English in Unicode, if it names none
	if b := value(resource, `\VarFileInfo\Translation`); len(b) >= 4 {
		language = *(*uint32)(unsafe.Pointer(&b[0]))
	}
	text := func(name string) string {
		b := value(resource, fmt.Sprintf(`\StringFileInfo\%04x%04x\%s`, language&0xffff, language>>16, name))
		units := make([]uint16, 0, len(b))
		for _, u := range unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)) {
			if u == 0 {
				break
			}
			units = append(units, u)
		}
		return strings.TrimSpace(string(utf16.Decode(units)))
	}
	return texts{product: text("ProductName"), description: text("FileDescription")}
}

// value finds a value of a version resource: its length is in characters for
// texts, and in bytes for all others.
func value(resource unsafe.Pointer, name string) []byte {
	var at *byte
	var n uint32
	if err := windows.VerQueryValue(resource, name, unsafe.Pointer(&at), &n); err != nil || at == nil {
		return nil
	}
	return unsafe.Slice(at, n)
}
