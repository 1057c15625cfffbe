package link

import (
	"fmt"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/persistence/acl"
	"sallyport.dev/sallyport/ui"
)

// The words of this system for who may do everything, and how to become it.
const (
	administrator = "an administrator"
	elevate       = "run it from a terminal that was started as administrator"
)

func (a Access) notLetIn(p Peer) error {
	name := p.User
	if sid, err := windows.StringToSid(p.User); err == nil {
		name = acl.Name(sid)
	}
	return fmt.Errorf("%w: %s is not logged on at this computer, or runs the program in a sandbox: %s", ui.ErrRefused, name, elevate)
}
