package wfp

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tailscale/wf"
	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

func TestARuleInTheTermsOfTheFilteringPlatform(t *testing.T) {
	for _, test := range []struct {
		rule       Rule
		layer      wf.LayerID
		action     wf.Action
		hard       bool
		conditions []wf.Match
	}{
		{Rule{Layer: ConnectV6, Weight: Everything}, wf.LayerALEAuthConnectV6, wf.ActionBlock, true, nil},
		{Rule{Weight: Permitted, Verdict: firewall.Allow, Loopback: true}, wf.LayerALEAuthConnectV4, wf.ActionPermit, false,
			[]wf.Match{{Field: wf.FieldFlags, Op: wf.MatchTypeFlagsAllSet, Value: wf.ConditionFlagIsLoopback}}},
		{Rule{Verdict: firewall.Allow, Protocol: firewall.UDP, LocalPort: 68, RemotePort: 67}, wf.LayerALEAuthConnectV4, wf.ActionPermit, false,
			[]wf.Match{{Field: wf.FieldIPProtocol, Value: wf.IPProtoUDP}, {Field: wf.FieldIPLocalPort, Value: uint16(68)}, {Field: wf.FieldIPRemotePort, Value: uint16(67)}}},
		{Rule{Layer: ConnectV6, Verdict: firewall.Allow, Protocol: firewall.ICMPv6, ICMPType: 135}, wf.LayerALEAuthConnectV6, wf.ActionPermit, false,
			[]wf.Match{{Field: wf.FieldIPProtocol, Value: wf.IPProtoICMPV6}, {Field: wf.FieldIPLocalPort, Value: uint16(135)}}},
		{Rule{Verdict: firewall.Allow, Protocol: firewall.TCP, Address: netip.MustParseAddr("192.0.2.1"), RemotePort: 53}, wf.LayerALEAuthConnectV4, wf.ActionPermit, false,
			[]wf.Match{{Field: wf.FieldIPProtocol, Value: wf.IPProtoTCP}, {Field: wf.FieldIPRemoteAddress, Value: netip.MustParseAddr("192.0.2.1")}, {Field: wf.FieldIPRemotePort, Value: uint16(53)}}},
	} {
		w := compose(test.rule, nil)
		var conditions []wf.Match
		for _, m := range w.Conditions {
			conditions = append(conditions, *m)
		}
		if w.Layer != test.layer || w.Action != test.action || w.HardAction != test.hard || !slices.Equal(conditions, test.conditions) {
			t.Errorf("%s: layer %v, action %v, hard %v, conditions %v", test.rule, w.Layer, w.Action, w.HardAction, conditions)
		}
		if !w.Persistent || w.Weight != uint64(test.rule.Weight) || idOf(windows.GUID(w.ID)) != test.rule.id() || w.Provider.IsZero() || w.Sublayer.IsZero() {
			t.Errorf("%s: %+v", test.rule, w)
		}
	}
}

func TestProviderAndSublayerAreThoseOfTheDocumentation(t *testing.T) {
	if got := guid(provider).String(); got != "{5A11F0B7-7D0C-4C0E-9C53-2F6F1D8E4A01}" {
		t.Errorf("provider %s", got)
	}
	if got := guid(sublayer).String(); got != "{5A11F0B7-7D0C-4C0E-9C53-2F6F1D8E4A02}" {
		t.Errorf("sublayer %s", got)
	}
}
