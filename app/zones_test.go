package app

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/networks"
	"sallyport.dev/sallyport/ui"
)

func home() networks.Network {
	return networks.Network{Interface: "eth0", Gateway: netip.MustParseAddr("192.168.1.1"), Hardware: "00:00:5e:00:53:01",
		Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}}
}

// The network next door uses the same addresses.
func cafe() networks.Network {
	n := home()
	n.Interface, n.Hardware = "wlan0", "00:00:5e:00:53:02"
	return n
}

func (r *rig) on(t *testing.T, list ...networks.Network) {
	t.Helper()
	if err := r.attach(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func TestANetworkIsTrustedOnlyWhileThisComputerIsOnIt(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	ctx := t.Context()
	for _, rule := range []ui.Rule{
		{Program: "/usr/bin/smb", Verdict: firewall.Allow, Remote: "trusted", Enabled: true},
		{Program: "/usr/bin/smb", Verdict: firewall.Block, Remote: "internet", Enabled: true},
	} {
		if _, err := r.AddRule(ctx, rule); err != nil {
			t.Fatal(err)
		}
	}
	dial := func(when string, v firewall.Verdict) {
		t.Helper()
		t.Log(when)
		r.decided(t, r.memory.Dial(attempt("/usr/bin/smb", "192.168.1.9:445")), v, firewall.ByRule)
	}
	dial("at first", firewall.Block)
	r.on(t, home())
	dial("nobody has said what it is", firewall.Block)
	if s, err := r.Status(ctx); err != nil || len(s.Notes) == 0 || !strings.Contains(s.Notes[len(s.Notes)-1], "new network") {
		t.Errorf("status %+v, %v", s.Notes, err)
	}
	if err := r.SetZone(ctx, home().ID(), firewall.TrustedZone); err != nil {
		t.Fatal(err)
	}
	dial("trusted", firewall.Allow)
	r.on(t, cafe())
	dial("next door", firewall.Block)
	r.on(t)
	dial("nowhere", firewall.Block)
	r.on(t, home(), networks.Network{Interface: "tun0"})
	dial("back home, unasked", firewall.Allow)
	if s, err := r.Status(ctx); err != nil || strings.Contains(strings.Join(s.Notes, " "), "new network") {
		t.Errorf("asked again: %+v, %v", s.Notes, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, r.dir, firewall.ModeAsk, onlyUs)
	dial("after a restart, before the network is found", firewall.Block)
	r.on(t, home())
	dial("after a restart", firewall.Allow)
	if ns, err := r.Networks(t.Context()); err != nil || len(ns) != 2 || !ns[0].Here || ns[0].Zone != firewall.TrustedZone || ns[1].Here || ns[1].Zone != firewall.AnyZone {
		t.Errorf("networks %+v, %v", ns, err)
	}
	if err := r.SetZone(t.Context(), home().ID(), firewall.AnyZone); err != nil {
		t.Fatal(err)
	}
	dial("forgotten", firewall.Block)
}

func TestBlockedAddressesAreAChangeLikeOthers(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	ctx := t.Context()
	if _, err := r.AddRule(ctx, ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	curl := func(v firewall.Verdict, why firewall.Reason) {
		t.Helper()
		r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "203.0.113.7:443")), v, why)
	}
	curl(firewall.Allow, firewall.ByRule)
	if err := r.SetZone(ctx, "203.0.113.7/24", firewall.BlockedZone); err != nil {
		t.Fatal(err)
	}
	curl(firewall.Block, firewall.ByZone)
	lines := r.log(t, ui.LogQuery{})
	said := false
	for _, l := range lines {
		said = said || l.Kind == "change" && strings.Contains(l.Note, "203.0.113.0/24 is blocked")
	}
	if !said {
		t.Errorf("the log does not say so: %+v", lines)
	}
	if err := r.SetZone(ctx, "203.0.113.0/24", firewall.AnyZone); err != nil {
		t.Fatal(err)
	}
	curl(firewall.Allow, firewall.ByRule)
	for id, want := range map[string]error{"nonsense": ui.ErrInvalid, "": ui.ErrInvalid, "loopback": ui.ErrInvalid, "00:00:5e:00:53:09 10.0.0.0/8": ui.ErrNotFound} {
		if err := r.SetZone(ctx, id, firewall.TrustedZone); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", id, err, want)
		}
	}
	if err := r.SetZone(ctx, "10.0.0.0/8", firewall.AnyZone); !errors.Is(err, ui.ErrNotFound) {
		t.Errorf("forgot what was not known: %v", err)
	}
	if err := r.SetZone(ctx, "10.0.0.0/8", firewall.ThisComputer); !errors.Is(err, ui.ErrInvalid) {
		t.Errorf("took a zone that is none: %v", err)
	}
}
