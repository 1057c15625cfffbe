package app

import (
	"crypto/rand"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// bootKey is a key that Windows forgets when it starts again; what a fast
// startup brings back from the disk is the same start.
const bootKey = `SOFTWARE\SallyportBoot`

const optionVolatile = 1 // REG_OPTION_VOLATILE of winnt.h

var regCreateKeyEx = windows.NewLazySystemDLL("advapi32.dll").NewProc("RegCreateKeyExW")

// bootName is the name that this start of the computer got from the first
// engine in it.
func bootName() string {
	path, err := windows.UTF16PtrFromString(bootKey)
	if err != nil {
		return ""
	}
	var key registry.Key
	failed, _, _ := regCreateKeyEx.Call(uintptr(registry.LOCAL_MACHINE), uintptr(unsafe.Pointer(path)), 0, 0, optionVolatile,
		registry.QUERY_VALUE|registry.SET_VALUE|registry.WOW64_64KEY, 0, uintptr(unsafe.Pointer(&key)), 0)
	if failed != 0 {
		return ""
	}
	defer key.Close()
	if name, _, err := key.GetStringValue("Name"); err == nil && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "" && name != "" {
		return name
	}
	name := rand.Text()
	if key.SetStringValue("Name", name) != nil {
		return ""
	}
	return name
}

// uptime is how long the computer has run, sleep included.
func uptime() time.Duration { return windows.DurationSinceBoot() }
