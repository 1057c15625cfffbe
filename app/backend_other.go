//go:build !linux && !windows

package app

import (
	"errors"
	"runtime"

	"sallyport.dev/sallyport/firewall"
)

var errSystem = errors.New("the firewall needs Linux 6.1 or newer, or Windows; this system is " + runtime.GOOS)

func openBackend(string) (firewall.Backend, error) { return nil, errSystem }
