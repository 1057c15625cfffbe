package firewall_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "sallyport.dev/sallyport/firewall"
)

// The programs that keep the clock, whichever this system has, may ask for the
// time, and nobody else.
func TestTheClockIsKept(t *testing.T) {
	rules, err := NewRuleset(BuiltinRules()...)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(p Program, remote string, proto Protocol) bool {
		d, ok := rules.Decide(Attempt{
			Flow:    Flow{Protocol: proto, Local: netip.MustParseAddrPort("10.0.0.1:40000"), Remote: netip.MustParseAddrPort(remote)},
			Program: p, Time: time.Now(),
		})
		return ok && d.Verdict == Allow
	}
	keepers := 0
	for r := range rules.All() {
		if !strings.HasPrefix(string(r.ID), "builtin-ntp-") {
			continue
		}
		keepers++
		p := Program{Kind: Executable, Path: r.Program}
		if service, ok := strings.CutPrefix(r.Program, "service:"); ok {
			p.Kind = Hosted
			p.Service, p.Path, _ = strings.Cut(service, ":")
			if other := (Program{Kind: Hosted, Service: "other", Path: p.Path}); ask(other, "192.0.2.1:123", UDP) {
				t.Errorf("another service may ask for the time as %s", r.ID)
			}
		}
		if !ask(p, "192.0.2.1:123", UDP) || ask(p, "192.0.2.1:124", UDP) || ask(p, "192.0.2.1:123", TCP) {
			t.Errorf("%s does not let %s ask for the time, or lets it do more", r.ID, filepath.Base(r.Program))
		}
	}
	if keepers == 0 {
		t.Error("no program keeps the clock")
	}
	if ask(Program{Kind: Executable, Path: "/usr/bin/curl"}, "192.0.2.1:123", UDP) {
		t.Error("anybody may ask for the time")
	}
}
