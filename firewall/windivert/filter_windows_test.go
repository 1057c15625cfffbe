package windivert

import "testing"

// A test of the stand-in too: what a filter takes, the driver decides.
func TestAHandleMeetsWhatItsFilterTakes(t *testing.T) {
	s := newStandIn(t)
	syn := numbered(1)
	inbound, loopback, ack, udp, fragment := numbered(2), numbered(3), numbered(4), numbered(5), numbered(6)
	inbound.address[10] = 0
	loopback.address[10] |= 0x04
	ack.packet[33] = 0x10
	udp.packet[9] = 17
	fragment.packet[6], fragment.packet[7] = 0, 8 // offset 64
	v6 := diverted{address: syn.address, packet: append([]byte("\x60\x00\x00\x00\x00\x14\x06\x40"+
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"+
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"), syn.packet[20:]...)}
	v6.address[10] |= 0x10
	all := map[string]diverted{"syn": syn, "inbound": inbound, "loopback": loopback, "ack": ack, "udp": udp, "fragment": fragment, "v6": v6}
	for _, test := range []struct {
		filter string
		takes  []string
	}{
		{"true", []string{"syn", "inbound", "loopback", "ack", "udp", "fragment", "v6"}},
		{"false", nil},
		{"outbound and !loopback", []string{"syn", "ack", "udp", "fragment", "v6"}},
		{"tcp.Syn and !tcp.Ack", []string{"syn", "inbound", "loopback", "v6"}},
		{"udp", []string{"udp"}},
		{"udp.SrcPort == 49152", []string{"udp"}},
		{"fragment", []string{"fragment"}},
		{"ip.DstAddr == 93.184.216.34 and tcp.DstPort == 443", []string{"syn", "inbound", "loopback", "ack"}},
		{"ipv6.SrcAddr == 2001:db8::1 and ipv6.DstAddr == 2001:db8::2", []string{"v6"}},
		{"ipv6.SrcAddr == 2001:db8::2", nil},
	} {
		h, err := winDivert{}.open(test.filter, layerNetwork, 100, flagSniff|flagReceiveOnly)
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		takes := map[string]bool{}
		for _, name := range test.takes {
			takes[name] = true
		}
		for name, r := range all {
			if met := s.inject(r) == 1; met != takes[name] {
				t.Errorf("%s: %s: taken %v", test.filter, name, met)
			}
		}
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"outbound and (tcp", "tcp.Sin"} {
		if h, err := (winDivert{}).open(bad, layerNetwork, 100, 0); err == nil {
			h.close()
			t.Errorf("%s was accepted", bad)
		}
	}
}
