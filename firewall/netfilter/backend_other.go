//go:build !linux

package netfilter

import (
	"context"
	"errors"
	"runtime"

	"sallyport.dev/sallyport/firewall"
)

var errSystem = errors.New("this backend needs Linux 6.1 or newer; this system is " + runtime.GOOS)

// Backend holds and decides flows in the Linux kernel; here it refuses.
type Backend struct{}

// New refuses: the system is not Linux.
func New(Config) (*Backend, error) { return nil, errSystem }

// Supported says what is missing.
func Supported() error { return errSystem }

// Recover finds nothing to remove.
func Recover(bool) ([]string, error) { return nil, errSystem }

// Run refuses.
func (*Backend) Run(context.Context, firewall.Sink, func()) error { return errSystem }

// Apply refuses.
func (*Backend) Apply(firewall.Policy) error { return errSystem }

// Stats has nothing to report.
func (*Backend) Stats() firewall.Stats { return firewall.Stats{} }
