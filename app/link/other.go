//go:build !linux && !windows

package link

import (
	"context"
	"errors"
	"net"
	"runtime"
)

// Listen refuses.
func Listen(string, Access) (net.Listener, error) {
	return nil, errors.New("the engine's socket is not made for " + runtime.GOOS + " yet")
}

// Hide refuses.
func Hide() error {
	return errors.New("the desktop program is not made for " + runtime.GOOS + " yet")
}

// KeepGroupAside has nothing to do.
func KeepGroupAside() error { return nil }

// Installed refuses.
func Installed(int) error { return Hide() }

type process struct{}

func (*process) alive() bool { return false }

func (*process) close() {}

func (p *Peer) look() {}

func (Peer) unfit(int) string { return Hide().Error() }

func startTicks(int) uint64 { return 0 }

// Polkit refuses.
func Polkit(context.Context, Peer, string) error {
	return errors.New("there is no polkit on " + runtime.GOOS)
}

// GroupID finds no group.
func GroupID(string) int { return -1 }
