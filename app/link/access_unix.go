//go:build !windows

package link

import (
	"fmt"
	"os/user"
	"strconv"

	"sallyport.dev/sallyport/ui"
)

// The words of this system for who may do everything, and how to become it.
const (
	administrator = "root"
	elevate       = "run it with sudo"
)

func (a Access) notLetIn(p Peer) error {
	name := "uid " + strconv.Itoa(p.UID)
	if u, err := user.LookupId(strconv.Itoa(p.UID)); err == nil {
		name = u.Username
	}
	if a.GID < 0 {
		return fmt.Errorf("%w: there is no group %s, so only root may use the firewall: run it with sudo, or as root: groupadd --system %s && usermod -aG %s %s, then restart the engine and log in again",
			ui.ErrRefused, a.Group, a.Group, a.Group, name)
	}
	return fmt.Errorf("%w: %s is not in the group %s: run it with sudo, or as root: usermod -aG %s %s, then log in again",
		ui.ErrRefused, name, a.Group, a.Group, name)
}
