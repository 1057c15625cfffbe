package windivert

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// decider is a sink that has a rule for every program, and takes what it is
// told without keeping it.
type decider struct{ verdict firewall.Verdict }

func (d decider) Hold(h firewall.Held)      { h.Release(firewall.Decision{Verdict: d.verdict}) }
func (decider) Decided(firewall.Entry)      {}
func (decider) Lost(uint64)                 {}
func (decider) HandBack()                   {}
func (decider) Known(_, _ firewall.Program) {}
func (d decider) Judge(firewall.Attempt) (firewall.Decision, bool) {
	return firewall.Decision{Verdict: d.verdict, Reason: firewall.ByRule, Rule: "rule", Scope: firewall.ThisProgram}, true
}

// bench is a core whose packets go nowhere, fed by hand.
type bench struct {
	*core
	tasks chan task
	sent  int
}

func newBench(sink firewall.Sink) *bench {
	x := new(bench)
	wake := make(chan struct{}, 1)
	a := newAttributor(newWorld(ipv4World), wake)
	send := func([]byte, address) error { x.sent++; return nil }
	x.core, x.tasks = newCore(Config{}.complete(), sink, send, newTeller(sink), a), a.tasks
	x.policy = firewall.Policy{Inbound: true, Loopback: true}
	return x
}

// connect has a program open a flow, and the system say that it is this one.
func (x *bench) connect(f firewall.Flow, name string) {
	now := time.Now()
	a := socketAddress(eventConnect, f, 4000, 0)
	x.event(&a, now)
	t := <-x.tasks
	x.identified(result{flow: t.flow, ticket: t.ticket, pid: t.pid, program: program(name), started: now.Add(-time.Hour)}, now)
}

func flowTo(p firewall.Protocol, port uint16, remote string) firewall.Flow {
	return firewall.Flow{Protocol: p, Local: netip.AddrPortFrom(netip.MustParseAddr(ipv4World), port), Remote: netip.MustParseAddrPort(remote)}
}

// decided makes the packets that BenchmarkDecided and its test send.
func decided(x *bench) (packets [][]byte) {
	for _, f := range []firewall.Flow{
		flowTo(firewall.TCP, 40000, "192.0.2.1:443"),
		flowTo(firewall.UDP, 40001, "192.0.2.1:443"),
	} {
		x.connect(f, "a")
		if f.Protocol == firewall.TCP {
			packets = append(packets, segment{flow: f, flags: 2, sequence: 1}.bytes())
		} else {
			packets = append(packets, udp(f, make([]byte, 1200)))
		}
	}
	return packets
}

// One core, from the bytes to the driver's door, of packets that are decided:
// parse, look up, verdict, beside so many other flows.
func BenchmarkDecided(b *testing.B) {
	for _, others := range []int{0, 10_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			x := newBench(decider{firewall.Allow})
			packets := decided(x)
			for i := range others {
				x.connect(flowTo(firewall.UDP, uint16(i), "192.0.2.2:443"), "other")
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				p := packets[n&1]
				a := packetAddress(p, true)
				x.packet(p, &a, time.Now())
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

func TestThePathOfADecidedPacketAllocatesNothing(t *testing.T) {
	for _, v := range []firewall.Verdict{firewall.Allow, firewall.Block} {
		x := newBench(decider{v})
		packets := decided(x)
		if v == firewall.Block {
			packets = packets[1:]                                                // an answer to a blocked segment must be made
			packets[0] = udp(flowTo(firewall.UDP, 40001, "224.0.0.1:5353"), nil) // and to a datagram, save to many
			x.connect(flowTo(firewall.UDP, 40001, "224.0.0.1:5353"), "a")
		}
		for _, p := range packets {
			a, now := packetAddress(p, true), time.Now()
			x.packet(p, &a, now)
			if n := testing.AllocsPerRun(1000, func() { x.packet(p, &a, now) }); n != 0 {
				t.Errorf("%v: %v allocations for each packet", v, n)
			}
		}
		if v == firewall.Allow && x.sent < 2000 || v == firewall.Block && x.sent != 0 {
			t.Errorf("%v: %d packets were sent", v, x.sent)
		}
	}
}
