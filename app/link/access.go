package link

import (
	"context"
	"fmt"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Access says who may do what, on every system. Administrators, that is root,
// or SYSTEM and elevated administrators, may do everything. Others need to be
// let in; they then read, and with the desktop program also answer and edit.
// The rest needs the consent of polkit, where there is one.
type Access struct {
	GID   int    // members of this group are let in; -1: no such group
	Group string // its name, for the sentences that refuse
	UID   int    // this user is let in, too; below 1: nobody
	// LoggedOn lets in who sits at the computer, or at its remote desktop;
	// only Windows can tell.
	LoggedOn bool
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
	if p.Admin {
		return nil
	}
	if n == toRead || n == toManage && p.Desktop && p.Unfit == "" {
		return nil
	}
	needs := "this needs " + administrator
	if n == toManage && p.Desktop {
		needs = "these windows can only show: " + p.Unfit + ". Without that it needs " + administrator
	}
	action := ActionManage
	if n == toWeaken {
		action = ActionWeaken
	}
	if a.Polkit == nil {
		return fmt.Errorf("%w: %s: %s", ui.ErrRefused, needs, elevate)
	}
	if err := a.Polkit(ctx, p, action); err != nil {
		return fmt.Errorf("%w: %s, or the consent of polkit: %w: %s", ui.ErrRefused, needs, err, elevate)
	}
	return nil
}

// letsIn tells whether the peer may read.
func (a Access) letsIn(p Peer) bool {
	return p.Admin || a.GID >= 0 && p.In(a.GID) || a.UID > 0 && p.UID == a.UID || a.LoggedOn && p.LoggedOn
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
