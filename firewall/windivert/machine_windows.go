package windivert

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/windows"
)

// machineX64 is IMAGE_FILE_MACHINE_AMD64.
const machineX64 = 0x8664

// machineHasDriver refuses a computer that WinDivert has no driver for, also
// when Windows emulates an x64 processor for us.
func machineHasDriver() error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("start WinDivert: %w (this program is built for %s)", errMachine, runtime.GOARCH)
	}
	var emulated, native uint16
	if err := windows.IsWow64Process2(windows.CurrentProcess(), &emulated, &native); err != nil {
		return nil // Windows before 10.1511, which emulates no x64
	}
	return hasDriver(native)
}

// errMachine is a computer without a driver.
var errMachine = errors.New("WinDivert has a driver for 64-bit Intel and AMD processors only: on this computer Sallyport can show and edit rules, but not filter")

func hasDriver(machine uint16) error {
	if machine != machineX64 {
		return fmt.Errorf("start WinDivert: %w (its processor is of type %#x)", errMachine, machine)
	}
	return nil
}
