package windivert

import (
	"encoding/hex"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

func flowFrom(p firewall.Protocol, local, remote string) firewall.Flow {
	return firewall.Flow{Protocol: p, Local: addrPort(local), Remote: addrPort(remote)}
}

// valid tells whether the checksums of a built packet are right: what is summed
// with a right checksum in it gives zero.
func valid(b []byte) bool {
	p, err := packet.Parse(b, firewall.Out)
	if err != nil {
		return false
	}
	f := p.Flow
	if b[0]>>4 == 4 && checksum(b[:ipv4Header], 0) != 0 {
		return false
	}
	if f.Protocol == firewall.ICMP && b[0]>>4 == 4 {
		return checksum(p.Transport, 0) == 0
	}
	if f.Protocol == firewall.ICMP {
		f.Protocol = firewall.ICMPv6
	}
	return checksum(p.Transport, pseudo(f, len(p.Transport))) == 0
}

func TestAResetAnswersTheSegment(t *testing.T) {
	for _, test := range []struct{ local, remote, want string }{
		{"10.0.0.2:49152", "93.184.216.34:443", "450000280000000040063af4" + "5db8d8220a000002" +
			"01bbc00000000000000003e950140000aa4f0000"},
		{"[fd00::2]:49152", "[2001:db8::1]:443", "6000000000140640" +
			"20010db8000000000000000000000001" + "fd000000000000000000000000000002" +
			"01bbc00000000000000003e950140000bf6f0000"},
	} {
		syn := segment{flow: flowFrom(firewall.TCP, test.local, test.remote), flags: packet.SYN, sequence: 1000}.bytes()
		got, ok := reset(syn)
		if !ok || hex.EncodeToString(got) != test.want {
			t.Errorf("%s: %x, want %s", test.local, got, test.want)
		}
		if !valid(got) {
			t.Errorf("%s: the checksums are wrong", test.local)
		}
	}
}

func TestADatagramIsAnsweredThatItsPortIsUnreachable(t *testing.T) {
	for _, test := range []struct{ local, remote, want string }{
		{"10.0.0.2:5353", "192.0.2.1:5000", "4500003a000000004001aec0" + "c00002010a000002" + "0303000000000000"},
		{"[fd00::2]:5353", "[2001:db8::1]:5000", "60000000003a3a40" +
			"20010db8000000000000000000000001" + "fd000000000000000000000000000002" + "0104000000000000"},
	} {
		datagram := udp(flowFrom(firewall.UDP, test.local, test.remote), []byte("hi"))
		got, ok := unreachable(datagram)
		if !ok || !valid(got) {
			t.Fatalf("%s: %x, valid %v", test.local, got, valid(got))
		}
		text := hex.EncodeToString(got)
		at := len(test.want)
		quoted := text[at:]
		masked := text[:at-12] + "0000" + text[at-8:at] // without the checksum, which is checked above
		if masked != test.want || quoted != hex.EncodeToString(datagram) {
			t.Errorf("%s: %s, want %s", test.local, masked, test.want)
		}
	}
	for _, remote := range []string{"224.0.0.251:5353", "255.255.255.255:67"} {
		if _, ok := unreachable(udp(flowFrom(firewall.UDP, "10.0.0.2:68", remote), nil)); ok {
			t.Errorf("%s is answered", remote)
		}
	}
	long, ok := unreachable(udp(flowFrom(firewall.UDP, "[fd00::2]:1", "[2001:db8::1]:2"), make([]byte, 5000)))
	if !ok || len(long) != 1280 || !valid(long) {
		t.Errorf("the answer to a long datagram has %d bytes", len(long))
	}
}

func TestACutConnectionIsResetAtBothEnds(t *testing.T) {
	f := flowFrom(firewall.TCP, "[fd00::2]:49152", "[2001:db8::1]:443")
	back := flowFrom(firewall.TCP, "[2001:db8::1]:443", "[fd00::2]:49152")
	for name, test := range map[string]struct {
		segment  segment
		outbound bool
	}{
		"ours":   {segment{flow: f, flags: packet.ACK, sequence: 10, confirmed: 20}, true},
		"theirs": {segment{flow: back, flags: packet.ACK, sequence: 20, confirmed: 10}, false},
	} {
		b := test.segment.bytes()
		var sent []record
		done := resetBoth(f, b, packetAddress(b, test.outbound), func(b []byte, a address) error {
			sent = append(sent, record{bytes: b, address: a})
			return nil
		})
		if !done || len(sent) != 2 {
			t.Fatalf("%s: done %v, sent %d", name, done, len(sent))
		}
		for i, want := range []struct {
			d                   firewall.Direction
			sequence, confirmed uint32
		}{{firewall.In, 20, 10}, {firewall.Out, 10, 20}} {
			p, err := packet.Parse(sent[i].bytes, want.d)
			p.Flow.Direction = firewall.Out
			if err != nil || p.Flow != f || p.TCPFlags != packet.RST|packet.ACK || sequenceOf(p) != want.sequence ||
				confirmedOf(p) != want.confirmed || !valid(sent[i].bytes) || sent[i].address.outbound() != (want.d == firewall.Out) {
				t.Errorf("%s: sent %x to %v", name, sent[i].bytes, want.d)
			}
		}
	}
}

// Whatever the packet, an answer to it makes sense and goes to its sender.
func FuzzReplies(f *testing.F) {
	flow := flowFrom(firewall.UDP, "10.0.0.2:1", "192.0.2.1:2")
	f.Add(segment{flow: flowFrom(firewall.TCP, "[fd00::2]:1", "[2001:db8::1]:2"), flags: packet.SYN}.bytes())
	f.Add(udp(flow, []byte("hi")))
	f.Add(fragmented(flow, make([]byte, 100), 1, 48)[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, build := range []func([]byte) ([]byte, bool){reset, unreachable} {
			answer, ok := build(b)
			if !ok {
				continue
			}
			asked, err := packet.Parse(b, firewall.Out)
			if err != nil {
				t.Fatalf("answered what cannot be read: %x", b)
			}
			p, err := packet.Parse(answer, firewall.Out)
			if err != nil || p.Length != len(answer) || !valid(answer) ||
				p.Flow.Local.Addr() != asked.Flow.Remote.Addr() || p.Flow.Remote.Addr() != asked.Flow.Local.Addr() {
				t.Fatalf("the answer to %x is %x: %v", b, answer, err)
			}
			if p.Flow.Protocol == firewall.TCP && (p.Flow.Local != asked.Flow.Remote || p.Flow.Remote != asked.Flow.Local || p.TCPFlags != packet.RST|packet.ACK) {
				t.Fatalf("the answer to %x is %x", b, answer)
			}
		}
	})
}

// Whatever the packets, nothing passes that was not allowed, and nothing is
// counted as waiting for ever.
func FuzzPackets(f *testing.F) {
	flow := flowFrom(firewall.UDP, "10.0.0.2:1", "192.0.2.1:2")
	syn := segment{flow: flowFrom(firewall.TCP, "[fd00::2]:1", "[2001:db8::1]:2"), flags: packet.SYN}.bytes()
	parts := fragmented(flow, make([]byte, 100), 1, 48)
	f.Add(syn, udp(flow, nil), true)
	f.Add(parts[1], parts[0], true)
	f.Add(udp(flowFrom(firewall.UDP, "192.0.2.1:53", "10.0.0.2:1"), make([]byte, 20)), []byte{0x45}, false)
	f.Fuzz(func(t *testing.T, first, second []byte, outbound bool) {
		for _, decided := range []bool{true, false} {
			var sink firewall.Sink = &collector{}
			if decided {
				sink = decider{firewall.Block}
			}
			x := newBench(sink)
			sent := sentBy(x)
			for _, b := range [][]byte{first, second, first} {
				if len(b) == 0 {
					continue
				}
				a := packetAddress(b, outbound)
				x.packet(b, &a, time.Now())
			}
			x.expire(time.Now().Add(joinPatience))
			for len(x.core.tasks) > 0 {
				task := <-x.tasks
				x.identified(result{flow: task.flow, ticket: task.ticket, program: unknownProgram(task.of)}, time.Now())
			}
			for _, r := range *sent {
				p, err := packet.Parse(r.bytes, firewall.Out)
				whole := err == nil && !p.Fragment
				if outbound && r.address.outbound() && !(whole && p.Flow.Protocol == firewall.TCP && !p.Opens()) {
					// Later fragments follow a first one of established TCP.
					if fr, ok := fragmentOf(r.bytes); !ok || fr.protocol != firewall.TCP {
						t.Fatalf("passed: %x", r.bytes)
					}
				}
			}
			x.stop(time.Now())
			x.expire(time.Now().Add(2 * fragmentPatience))
			if x.packets != 0 || x.bytes != 0 {
				t.Fatalf("%d packets with %d bytes are counted", x.packets, x.bytes)
			}
		}
	})
}
