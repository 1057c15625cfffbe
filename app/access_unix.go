//go:build !windows

package app

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/persistence"
)

// DefaultData is the folder of the database.
const DefaultData = "/var/lib/sallyport"

// administrator is who may run the engine, in the words of this system.
const administrator = "root"

// needsAdministrator refuses what only root may.
func needsAdministrator(what string) error {
	if os.Geteuid() != 0 {
		return errors.New(what + " needs root: run it with sudo")
	}
	return nil
}

// How a person gets to an engine that does not let them in, or does not run.
const (
	hintRefused = "The engine lets in root and members of the group sallyport: run it with sudo, or as root: usermod -aG sallyport YOU, then log in again."
	hintGone    = "Start the engine with: sudo systemctl start sallyport (or: sudo sallyport engine)."
)

// access says who is let in, and with which sentences what that leaves out.
// The user that the settings name counts where the command line names none;
// one that does not exist any more must not keep the engine from starting.
func (o engineOptions) access(s *persistence.Store) (a link.Access, notes []string, err error) {
	a = link.Access{GID: link.GroupID(memberGroup), Group: memberGroup, Polkit: link.Polkit}
	if o.User != "" {
		if a.UID, err = userID(o.User); err != nil {
			return a, nil, err
		}
	} else if settings, err := s.Settings(); err == nil && settings.User != "" {
		if a.UID, err = userID(settings.User); err != nil {
			notes = append(notes, err.Error())
		}
	}
	if a.GID < 0 && a.UID < 1 {
		return a, append(notes, "there is no group "+memberGroup+", so only root may use the firewall: make it with: groupadd --system "+memberGroup), nil
	}
	if err := link.Installed(a.GID); err != nil && !o.Demo {
		notes = append(notes, "only root can answer in the windows, others can only look: "+err.Error())
	}
	return a, notes, nil
}

func userID(name string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("let %s in: %w", name, err)
	}
	return strconv.Atoi(u.Uid)
}
