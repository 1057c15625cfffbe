//go:build !windows

package windivert

import (
	"errors"
	"runtime"
)

// platform refuses: the driver exists for Windows only.
func platform(Config) (driver, system, guard, error) {
	return nil, nil, nil, errors.New("WinDivert needs Windows; this system is " + runtime.GOOS)
}
