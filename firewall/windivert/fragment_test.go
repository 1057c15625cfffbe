package windivert

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// fragmented cuts a datagram into fragments with so many bytes each.
func fragmented(f firewall.Flow, payload []byte, id uint16, size int) (fragments [][]byte) {
	whole := udp(f, payload)
	header, rest := whole[:ipv4Header], whole[ipv4Header:]
	if whole[0]>>4 == 6 {
		header, rest = whole[:ipv6Header], whole[ipv6Header:]
	}
	for at := 0; at < len(rest); at += size {
		part := rest[at:min(at+size, len(rest))]
		more := at+size < len(rest)
		b := slices.Clone(header)
		if whole[0]>>4 == 4 {
			binary.BigEndian.PutUint16(b[2:], uint16(ipv4Header+len(part)))
			binary.BigEndian.PutUint16(b[4:], id)
			field := uint16(at / 8)
			if more {
				field |= 0x2000
			}
			binary.BigEndian.PutUint16(b[6:], field)
		} else {
			binary.BigEndian.PutUint16(b[4:], uint16(8+len(part)))
			b[6] = 44
			extension := make([]byte, 8)
			extension[0] = byte(firewall.UDP)
			field := uint16(at)
			if more {
				field |= 1
			}
			binary.BigEndian.PutUint16(extension[2:], field)
			binary.BigEndian.PutUint32(extension[4:], uint32(id))
			b = append(b, extension...)
		}
		fragments = append(fragments, append(b, part...))
	}
	return fragments
}

func TestFragmentsShareTheFateOfTheFirst(t *testing.T) {
	for _, remote := range []string{"192.0.2.1:443", "[2001:db8::1]:443"} {
		f := flowTo(firewall.UDP, 40000, remote)
		if f.Remote.Addr().Is6() {
			f.Local = addrPort("[fd00::2]:40000")
		}
		parts := fragmented(f, make([]byte, 4000), 7, 1200)
		for _, order := range [][]int{{0, 1, 2, 3}, {3, 1, 0, 2}, {1, 2, 3, 0}} {
			for _, v := range []firewall.Verdict{firewall.Allow, firewall.Block} {
				for _, when := range []string{"decided", "held"} {
					sink := &collector{}
					x := newBench(sink)
					name := map[bool]string{true: "b", false: "a"}[when == "decided" && v == firewall.Allow]
					if when == "decided" && v == firewall.Block {
						x.sink = decider{firewall.Block}
					}
					sent := sentBy(x)
					x.connect(f, name)
					for _, i := range order {
						x.leave(parts[i])
					}
					if when == "held" {
						if len(*sent) != 0 {
							t.Fatalf("%s %v: %d fragments left while the first is held", remote, order, len(*sent))
						}
						holds := x.holds.take()
						if len(holds) != 1 {
							t.Fatalf("%s %v: %d flows are held", remote, order, len(holds))
						}
						holds[0].Release(firewall.Decision{Verdict: v, Reason: firewall.ByAnswer})
						x.collect(time.Now())
					}
					passed := 0
					for _, r := range *sent {
						if slices.ContainsFunc(parts, func(p []byte) bool { return slices.Equal(p, r.bytes) }) {
							passed++
						}
					}
					if want := len(parts) * int(v); passed != want {
						t.Errorf("%s %v %s %v: %d fragments passed, want %d", remote, order, when, v, passed, want)
					}
					if x.packets != 0 || x.bytes != 0 {
						t.Errorf("%s %v %s %v: %d packets of %d bytes are still counted", remote, order, when, v, x.packets, x.bytes)
					}
				}
			}
		}
	}
}

func TestFragmentsWithoutAFirstAreBlocked(t *testing.T) {
	f := flowTo(firewall.UDP, 40000, "192.0.2.1:443")
	x := newBench(decider{firewall.Allow})
	sent := sentBy(x)
	x.connect(f, "a")
	for id := range uint16(maxDatagrams + 10) {
		x.leave(fragmented(f, make([]byte, 100), id, 64)[1])
	}
	if x.packets != maxDatagrams || x.overflown.Load() != 10 {
		t.Errorf("%d wait, %d are overflown", x.packets, x.overflown.Load())
	}
	x.expire(time.Now().Add(fragmentPatience))
	if len(*sent) != 0 || x.packets != 0 || len(x.datagrams.byKey) != 0 {
		t.Errorf("%d passed, %d wait, %d datagrams are known", len(*sent), x.packets, len(x.datagrams.byKey))
	}
	x.journal.flush()
	count := 0
	for _, e := range x.journal.to.told.take() {
		if e.Reason == firewall.NotParsed {
			count += e.Count
		}
	}
	if count != maxDatagrams {
		t.Errorf("the log counts %d", count)
	}
}

// A later fragment that reaches into the header of TCP could change the port
// that was judged.
func TestAFragmentCannotRewriteAJudgedHeader(t *testing.T) {
	f := flowTo(firewall.UDP, 40000, "192.0.2.1:443")
	for _, part := range fragmented(f, make([]byte, 200), 7, 8)[1:3] {
		part[9] = byte(firewall.TCP)
		x := newBench(decider{firewall.Allow})
		sent := sentBy(x)
		x.leave(part)
		if len(x.datagrams.byKey) != 0 || len(*sent) != 0 {
			t.Error("it waits for its first fragment")
		}
	}
}
