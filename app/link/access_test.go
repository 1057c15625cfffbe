package link

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// TestOnePolicyForEverySystem goes through who may read, manage and weaken.
func TestOnePolicyForEverySystem(t *testing.T) {
	linux := Access{GID: 100, Group: "sallyport", UID: 1000}
	windows := Access{GID: -1, LoggedOn: true}
	agrees, refuses := linux, linux
	agrees.Polkit = func(context.Context, Peer, string) error { return nil }
	refuses.Polkit = func(context.Context, Peer, string) error { return errors.New("no") }
	for _, test := range []struct {
		name   string
		access Access
		peer   Peer
		want   string // what it may: read, manage, weaken
	}{
		{"nobody is let in by an access that says nothing", Access{}, Peer{User: "1000", UID: 1000, LoggedOn: true}, "---"},
		{"root", linux, Peer{User: "0", Admin: true}, "rmw"},
		{"an elevated administrator", windows, Peer{User: "S-1-5-21-1-2-3-1001", UID: -1, Admin: true}, "rmw"},
		{"an administrator where only the logged on are let in", Access{GID: -1}, Peer{Admin: true, UID: -1}, "rmw"},
		{"another user", linux, Peer{User: "1001", UID: 1001, Groups: []int{1001}}, "---"},
		{"another user's desktop program", linux, Peer{User: "1001", UID: 1001, Desktop: true}, "---"},
		{"a member at a terminal", linux, Peer{User: "1001", UID: 1001, Groups: []int{1001, 100}}, "r--"},
		{"a member's desktop program", linux, Peer{User: "1001", UID: 1001, Groups: []int{100}, Desktop: true}, "rm-"},
		{"one that others can change", linux, Peer{User: "1001", UID: 1001, Groups: []int{100}, Desktop: true, Unfit: "it can be traced"}, "r--"},
		{"the named user", linux, Peer{User: "1000", UID: 1000}, "r--"},
		{"who is logged on, at a terminal", windows, Peer{User: "S-1-5-21-1-2-3-1001", UID: -1, LoggedOn: true}, "r--"},
		{"who is logged on, in the windows", windows, Peer{UID: -1, LoggedOn: true, Desktop: true}, "rm-"},
		{"windows that others can change", windows, Peer{UID: -1, LoggedOn: true, Desktop: true, Unfit: "others can change it"}, "r--"},
		{"a service that is not logged on", windows, Peer{UID: -1, Desktop: true}, "---"},
		{"logged on counts only where the access says so", linux, Peer{UID: 1001, LoggedOn: true, Desktop: true}, "---"},
		{"a peer without a UID is nobody's user", Access{GID: -1, UID: -1}, Peer{UID: -1, Desktop: true}, "---"},
		{"with polkit's consent", agrees, Peer{User: "1000", UID: 1000}, "rmw"},
		{"without it", refuses, Peer{User: "1000", UID: 1000, Desktop: true}, "rm-"},
	} {
		got := ""
		for n, letter := range []string{"r", "m", "w"} {
			err := test.access.allow(t.Context(), test.peer, need(n))
			switch {
			case err == nil:
				got += letter
			case !errors.Is(err, ui.ErrRefused) || !strings.Contains(err.Error(), elevate):
				t.Errorf("%s: it is not told what to do: %v", test.name, err)
			default:
				got += "-"
			}
		}
		if got != test.want {
			t.Errorf("%s may %s, want %s", test.name, got, test.want)
		}
	}
}

func TestWhatWeakensIsKnown(t *testing.T) {
	for m, want := range map[firewall.Mode]need{
		firewall.ModeAsk: toManage, firewall.ModeAllow: toManage, firewall.ModeBlock: toManage, firewall.ModeOff: toWeaken, firewall.ModeLock: toWeaken,
	} {
		if got := needOfMode(m); got != want {
			t.Errorf("mode %s needs %d, want %d", m, got, want)
		}
	}
	for name, want := range map[string]need{"fail": toWeaken, "user": toWeaken, "patience": toManage} {
		if got := needOfSetting(name); got != want {
			t.Errorf("setting %s needs %d, want %d", name, got, want)
		}
	}
}
