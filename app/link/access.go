package link

import (
	"context"
	"fmt"
	"os/user"
	"strconv"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Access says who may do what. root may do everything. Others need to be let
// in (by the group, or as the named user); they then read, and with the desktop
// program also answer and edit. The rest needs polkit's consent.
type Access struct {
	GID   int    // members of this group are let in; -1: no such group
	Group string // its name, for the sentences that refuse
	UID   int    // this user is let in, too; below 1: nobody
	// Polkit asks whether the peer may do what the action names; nil: there
	// is no polkit. It may wait for a person to type a password.
	Polkit func(ctx context.Context, p Peer, action string) error
}

// The polkit actions, as packaging/dev.sallyport.policy declares them.
const (
	ActionManage = "dev.sallyport.manage" // change anything from a terminal
	ActionWeaken = "dev.sallyport.weaken" // off, lock, import and the fail mode, from anywhere
)

// need is what a request asks for.
type need uint8

const (
	toRead   need = iota
	toManage      // answers, rules, modes, settings
	toWeaken      // what could switch the protection, or the network, off
)

// allow returns nil if the peer may, else a sentence that says what to do.
func (a Access) allow(ctx context.Context, p Peer, n need) error {
	if !a.letsIn(p) {
		return a.notLetIn(p)
	}
	if p.UID == 0 {
		return nil
	}
	if n == toRead || n == toManage && p.Desktop && p.Unfit == "" {
		return nil
	}
	needs := "this needs root"
	if n == toManage && p.Desktop {
		needs = "these windows can only show: " + p.Unfit + ". Without that it needs root"
	}
	action := ActionManage
	if n == toWeaken {
		action = ActionWeaken
	}
	if a.Polkit == nil {
		return fmt.Errorf("%w: %s: run it with sudo", ui.ErrRefused, needs)
	}
	if err := a.Polkit(ctx, p, action); err != nil {
		return fmt.Errorf("%w: %s, or the consent of polkit: %w: run it with sudo", ui.ErrRefused, needs, err)
	}
	return nil
}

// letsIn tells whether the peer may read.
func (a Access) letsIn(p Peer) bool {
	return p.UID == 0 || a.GID >= 0 && p.In(a.GID) || a.UID > 0 && p.UID == a.UID
}

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

// needOfMode tells what changing to a mode asks for.
func needOfMode(m firewall.Mode) need {
	if m == firewall.ModeOff || m == firewall.ModeLock {
		return toWeaken
	}
	return toManage
}

// needOfSetting tells what changing a setting asks for.
func needOfSetting(name string) need {
	if name == "fail" || name == "user" {
		return toWeaken
	}
	return toManage
}
