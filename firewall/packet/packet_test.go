package packet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// bytesOf reads "45 00 | 00:1c" style hexadecimal; anything else is ignored,
// and "x*12" repeats the byte before it.
func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	var b []byte
	for _, word := range strings.Fields(text) {
		if word == "|" {
			continue
		}
		count := 1
		if hexa, n, ok := strings.Cut(word, "*"); ok {
			word = hexa
			if _, err := fmt.Sscan(n, &count); err != nil {
				t.Fatalf("bad repeat in %q", text)
			}
		}
		part, err := hex.DecodeString(word)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		for range count {
			b = append(b, part...)
		}
	}
	return b
}

const (
	v4 = "0a000001 0a000002 "
	v6 = "fd00 00*13 01 fd00 00*13 02 "
)

var packets = []struct{ name, bytes, want string }{
	{"tcp syn", "4500 0028 00*4 40 06 0000 " + v4 + "| 9c40 01bb 00*8 50 02 00*6", "out tcp 10.0.0.1:40000 10.0.0.2:443 length 40 flags 2"},
	{"tcp syn ack", "4500 0028 00*4 40 06 0000 " + v4 + "| 01bb 9c40 00*8 50 12 00*6", "out tcp 10.0.0.1:443 10.0.0.2:40000 length 40 flags 18"},
	{"tcp with options", "4500 002c 00*4 40 06 0000 " + v4 + "| 9c40 01bb 00*8 60 02 00*6 020405b4", "out tcp 10.0.0.1:40000 10.0.0.2:443 length 44 flags 2"},
	{"tcp with payload", "4500 002a 00*4 40 06 0000 " + v4 + "| 9c40 01bb 00*8 50 18 00*6 6869", `out tcp 10.0.0.1:40000 10.0.0.2:443 length 42 flags 24 payload "hi"`},
	{"ip options", "4600 002c 00*4 40 06 0000 " + v4 + "01010100 | 9c40 01bb 00*8 50 02 00*6", "out tcp 10.0.0.1:40000 10.0.0.2:443 length 44 flags 2"},
	{"most ip options", "4f00 0044 00*4 40 11 0000 " + v4 + "01*40 | 9c40 0035 0008 0000", "out udp 10.0.0.1:40000 10.0.0.2:53 length 68"},
	{"udp", "4500 001e 00*4 40 11 0000 " + v4 + "| 9c40 0035 000a 0000 6869", `out udp 10.0.0.1:40000 10.0.0.2:53 length 30 payload "hi"`},
	{"udp cut by the queue", "4500 05dc 00*4 40 11 0000 " + v4 + "| 9c40 0035 05c8 0000 68", `out udp 10.0.0.1:40000 10.0.0.2:53 length 1500 payload "h"`},
	{"bytes after the end are not payload", "4500 001d 00*4 40 11 0000 " + v4 + "| 9c40 0035 0009 0000 68 6565", `out udp 10.0.0.1:40000 10.0.0.2:53 length 29 payload "h"`},
	{"udplite", "4500 001c 00*4 40 88 0000 " + v4 + "| 0001 0002 0000 0000", "out udplite 10.0.0.1:1 10.0.0.2:2 length 28"},
	{"sctp", "4500 0020 00*4 40 84 0000 " + v4 + "| 0001 0002 00*8", "out sctp 10.0.0.1:1 10.0.0.2:2 length 32"},
	{"dccp", "4500 0020 00*4 40 21 0000 " + v4 + "| 0001 0002 00*8", "out dccp 10.0.0.1:1 10.0.0.2:2 length 32"},
	{"ping", "4500 001c 00*4 40 01 0000 " + v4 + "| 0800 0000 0001 0001", `out icmp 10.0.0.1:0 10.0.0.2:0 length 28 type 8 payload "\x00\x01\x00\x01"`},
	{"icmp unreachable", "4500 001c 00*4 40 01 0000 " + v4 + "| 0301 0000", "out icmp 10.0.0.1:0 10.0.0.2:0 length 28 type 3.1"},
	{"igmp", "4500 001c 00*4 01 02 0000 " + v4 + "| 1600", `out igmp 10.0.0.1:0 10.0.0.2:0 length 28 payload "\x16\x00"`},
	{"gre", "4500 0018 00*4 40 2f 0000 " + v4 + "| 00*4", `out gre 10.0.0.1:0 10.0.0.2:0 length 24 payload "\x00\x00\x00\x00"`},
	{"esp", "4500 0014 00*4 40 32 0000 " + v4, "out esp 10.0.0.1:0 10.0.0.2:0 length 20"},
	{"authentication header", "4500 0014 00*4 40 33 0000 " + v4, "out ah 10.0.0.1:0 10.0.0.2:0 length 20"},
	{"protocol 253", "4500 0014 00*4 40 fd 0000 " + v4, "out 253 10.0.0.1:0 10.0.0.2:0 length 20"},
	{"protocol 0", "4500 0014 00*4 40 00 0000 " + v4, "out any 10.0.0.1:0 10.0.0.2:0 length 20"},
	{"first fragment", "4500 001c 0001 2000 40 11 0000 " + v4 + "| 9c40 0035 0400 0000", "out udp 10.0.0.1:40000 10.0.0.2:53 length 28"},
	{"later fragment", "4500 0018 0001 0001 40 11 0000 " + v4 + "| 9c400035", `out udp 10.0.0.1:0 10.0.0.2:0 length 24 fragment payload "\x9c@\x005"`},
	{"do not fragment", "4500 001c 0001 4000 40 11 0000 " + v4 + "| 9c40 0035 0008 0000", "out udp 10.0.0.1:40000 10.0.0.2:53 length 28"},
	{"in: the target is local", "< 4500 0028 00*4 40 06 0000 " + v4 + "| 9c40 0016 00*8 50 02 00*6", "in tcp 10.0.0.2:22 10.0.0.1:40000 length 40 flags 2"},

	{"tcp over ipv6", "6000 0000 0014 06 40 " + v6 + "| 9c40 01bb 00*8 50 02 00*6", "out tcp [fd00::1]:40000 [fd00::2]:443 length 60 flags 2"},
	{"udp over ipv6", "6000 0000 0008 11 40 " + v6 + "| 9c40 0035 0008 0000", "out udp [fd00::1]:40000 [fd00::2]:53 length 48"},
	{"ping over ipv6", "6000 0000 0008 3a 40 " + v6 + "| 8000 0000 0001 0001", `out icmp [fd00::1]:0 [fd00::2]:0 length 48 type 128 payload "\x00\x01\x00\x01"`},
	{"neighbour solicitation", "6000 0000 0004 3a ff " + v6 + "| 8700 0000", "out icmp [fd00::1]:0 [fd00::2]:0 length 44 type 135"},
	{"no next header", "6000 0000 0000 3b 40 " + v6, "out 59 [fd00::1]:0 [fd00::2]:0 length 40"},
	{"hop-by-hop options", "6000 0000 0010 00 40 " + v6 + "| 1100 00*6 | 9c40 0035 0008 0000", "out udp [fd00::1]:40000 [fd00::2]:53 length 56"},
	{"long destination options", "6000 0000 0018 3c 40 " + v6 + "| 1101 00*14 | 9c40 0035 0008 0000", "out udp [fd00::1]:40000 [fd00::2]:53 length 64"},
	{"routing header", "6000 0000 0010 2b 40 " + v6 + "| 1100 00*6 | 9c40 0035 0008 0000", "out udp [fd00::1]:40000 [fd00::2]:53 length 56"},
	{"all extension headers", "6000 0000 0020 00 40 " + v6 + "| 3c00 00*6 | 2b00 00*6 | 1100 00*6 | 9c40 0035 0008 0000", "out udp [fd00::1]:40000 [fd00::2]:53 length 72"},
	{"authentication header over ipv6", "6000 0000 0008 33 40 " + v6 + "| 1101 00*6", `out ah [fd00::1]:0 [fd00::2]:0 length 48 payload "\x11\x01\x00\x00\x00\x00\x00\x00"`},
	{"first fragment over ipv6", "6000 0000 0010 2c 40 " + v6 + "| 1100 0001 00*4 | 9c40 0035 0400 0000", "out udp [fd00::1]:40000 [fd00::2]:53 length 56"},
	{"later fragment over ipv6", "6000 0000 000c 2c 40 " + v6 + "| 1100 0008 00*4 | 9c400035", `out udp [fd00::1]:0 [fd00::2]:0 length 52 fragment payload "\x9c@\x005"`},
	{"v4-mapped addresses are unmapped", "6000 0000 0008 11 40 00*10 ffff 0a000001 00*10 ffff 0a000002 | 9c40 0035 0008 0000", "out udp 10.0.0.1:40000 10.0.0.2:53 length 48"},

	{"nothing", "", "packet ends within a header"},
	{"version 0", "00*40", "packet is neither IPv4 nor IPv6"},
	{"version 5", "50 00*40", "packet is neither IPv4 nor IPv6"},
	{"half an ipv4 header", "4500 0028 00*6", "packet ends within a header"},
	{"ipv4 header below its least", "4400 0028 00*4 40 06 0000 " + v4 + "00*20", "packet has a header with impossible lengths"},
	{"ipv4 header longer than the packet", "4600 0014 00*4 40 06 0000 " + v4 + "00*4", "packet has a header with impossible lengths"},
	{"ipv4 header longer than the bytes", "4600 0028 00*4 40 06 0000 " + v4, "packet ends within a header"},
	{"ipv4 length zero", "4500 0000 00*4 40 06 0000 " + v4 + "00*20", "packet has a header with impossible lengths"},
	{"half a tcp header", "4500 0028 00*4 40 06 0000 " + v4 + "9c40 01bb 00*4", "packet ends within a header"},
	{"tcp header below its least", "4500 0028 00*4 40 06 0000 " + v4 + "9c40 01bb 00*8 40 02 00*6", "packet has a header with impossible lengths"},
	{"tcp header longer than the packet", "4500 0028 00*4 40 06 0000 " + v4 + "9c40 01bb 00*8 60 02 00*6", "packet ends within a header"},
	{"tcp header that the length cuts off", "4500 001c 00*4 40 06 0000 " + v4 + "9c40 01bb 00*8 50 02 00*6", "packet ends within a header"},
	{"tiny first fragment", "4500 001c 0001 2000 40 06 0000 " + v4 + "9c40 01bb 00*4", "packet ends within a header"},
	{"half a udp header", "4500 0018 00*4 40 11 0000 " + v4 + "9c40 0035", "packet ends within a header"},
	{"half an sctp header", "4500 001c 00*4 40 84 0000 " + v4 + "00*8", "packet ends within a header"},
	{"half an icmp header", "4500 0016 00*4 40 01 0000 " + v4 + "0800", "packet ends within a header"},
	{"half an ipv6 header", "6000 0000 0014 06 40 fd00", "packet ends within a header"},
	{"half an extension header", "6000 0000 0004 00 40 " + v6 + "1100 0000", "packet ends within a header"},
	{"extension header beyond the bytes", "6000 0000 0010 00 40 " + v6 + "1104 00*6 9c40 0035 0008 0000", "packet ends within a header"},
	{"half a fragment header", "6000 0000 0004 2c 40 " + v6 + "1100 0008", "packet ends within a header"},
	{"endless extension headers", "6000 0000 0100 00 40 " + v6 + "0000000000000000*32", "packet has too many IPv6 extension headers"},
}

// describe writes a packet, or why there is none, in one line.
func describe(p Packet, err error) string {
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%v %v %v %v length %d", p.Flow.Direction, p.Flow.Protocol, p.Flow.Local, p.Flow.Remote, p.Length)
	if p.TCPFlags != 0 {
		s += fmt.Sprintf(" flags %d", p.TCPFlags)
	}
	if p.ICMPType != 0 {
		s += fmt.Sprintf(" type %d", p.ICMPType)
	}
	if p.ICMPCode != 0 {
		s += fmt.Sprintf(".%d", p.ICMPCode)
	}
	if p.Fragment {
		s += " fragment"
	}
	if len(p.Payload) > 0 {
		s += fmt.Sprintf(" payload %q", p.Payload)
	}
	return s
}

// direction reads the "<" that marks a packet from outside.
func direction(text string) (string, firewall.Direction) {
	if rest, in := strings.CutPrefix(text, "< "); in {
		return rest, firewall.In
	}
	return text, firewall.Out
}

func TestEachPacketIsReadAsWhatItIs(t *testing.T) {
	for _, test := range packets {
		text, d := direction(test.bytes)
		if got := describe(Parse(bytesOf(t, text), d)); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestOnlyASynWithoutAckOpensAConnection(t *testing.T) {
	opens := 0
	for _, test := range packets {
		text, d := direction(test.bytes)
		if p, err := Parse(bytesOf(t, text), d); err == nil && p.Opens() {
			opens++
			if !strings.HasSuffix(test.want, "flags 2") {
				t.Errorf("%s opens a connection", test.name)
			}
		}
	}
	if opens != 5 {
		t.Errorf("%d packets open a connection, want 5", opens)
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	for _, test := range packets {
		text, d := direction(test.bytes)
		b := bytesOf(t, text)
		if n := testing.AllocsPerRun(10, func() { Parse(b, d) }); n != 0 {
			t.Errorf("%s: %v allocations", test.name, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, test := range packets {
		text, d := direction(test.bytes)
		f.Add(bytesOf(f, text), d == firewall.In)
	}
	f.Fuzz(func(t *testing.T, b []byte, in bool) {
		d := firewall.Out
		if in {
			d = firewall.In
		}
		p, err := Parse(b, d)
		if err != nil {
			if !errors.Is(err, ErrShort) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrHeader) && !errors.Is(err, ErrChain) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		if p.Flow != p.Flow.Normal() || p.Flow.Direction != d {
			t.Fatalf("flow %v is not in its normal form", p.Flow)
		}
		if len(p.Payload) > p.Length {
			t.Fatalf("payload of %d bytes in a packet of %d", len(p.Payload), p.Length)
		}
		again, err := Parse(b[:min(len(b), p.Length)], d)
		if describe(again, err) != describe(p, nil) {
			t.Fatalf("bytes after the end change what is read:\n%s\n%s", describe(p, nil), describe(again, err))
		}
		other, err := Parse(b, 1-d)
		if err != nil || other.Flow.Local != p.Flow.Remote || other.Flow.Remote != p.Flow.Local {
			t.Fatalf("the other direction does not swap the ends: %s", describe(other, err))
		}
	})
}
