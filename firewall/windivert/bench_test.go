package windivert

import (
	"net/netip"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// decider is a sink that has a rule for every program, and takes what it is
// told without keeping it.
type decider struct{ verdict firewall.Verdict }

func (d decider) Hold(h firewall.Held) { h.Release(firewall.Decision{Verdict: d.verdict}) }
func (decider) Decided(firewall.Entry) {}
func (decider) Lost(uint64)            {}
func (d decider) Judge(firewall.Attempt) (firewall.Decision, bool) {
	return firewall.Decision{Verdict: d.verdict, Reason: firewall.ByRule, Rule: "rule", Scope: firewall.ThisProgram}, true
}

// bench is a core whose packets go nowhere, fed by hand.
type bench struct {
	*core
	tasks chan task
	sent  int
}

func newBench(t testing.TB, sink firewall.Sink) *bench {
	w := newWorld(ipv4World)
	b := newBackend(Config{}, w.driver, w)
	r := &run{Backend: b, sink: sink}
	var err error
	if r.packets, err = w.driver.open(filterPackets, layerNetwork, priorityPackets, 0); err != nil {
		t.Fatal(err)
	}
	r.prepare(firewall.Policy{Inbound: true, Loopback: true})
	x := &bench{core: r.worker.core, tasks: r.attributor.tasks}
	x.inject = func([]byte, address) error { x.sent++; return nil }
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
// parse, look up, verdict.
func BenchmarkDecided(b *testing.B) {
	x := newBench(b, decider{firewall.Allow})
	packets := decided(x)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p := packets[n&1]
		a := packetAddress(p, true)
		x.packet(p, &a, time.Now())
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "packets/s")
}

func TestThePathOfADecidedPacketAllocatesNothing(t *testing.T) {
	for _, v := range []firewall.Verdict{firewall.Allow, firewall.Block} {
		x := newBench(t, decider{v})
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
