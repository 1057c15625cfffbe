package windivert

import (
	"slices"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// sentBy collects what a core sends.
func sentBy(x *bench) *[]record {
	sent := new([]record)
	x.inject = func(b []byte, a address) error {
		*sent = append(*sent, record{bytes: slices.Clone(b), address: a})
		return nil
	}
	return sent
}

func (x *bench) leave(b []byte) {
	a := packetAddress(b, true)
	x.packet(b, &a, time.Now())
}

func TestPacketAndEventJoinInEitherOrder(t *testing.T) {
	f := flowTo(firewall.TCP, 40000, "192.0.2.1:443")
	syn := segment{flow: f, flags: packet.SYN, sequence: 1}.bytes()
	for _, order := range []string{"event, packet", "packet, event"} {
		x := newBench(decider{firewall.Allow})
		sent := sentBy(x)
		if order == "event, packet" {
			x.connect(f, "a")
			x.leave(syn)
		} else {
			x.leave(syn)
			if len(*sent) != 0 {
				t.Fatalf("%s: sent before it is known whose it is", order)
			}
			x.connect(f, "a")
		}
		if len(*sent) != 1 || !slices.Equal((*sent)[0].bytes, syn) {
			t.Errorf("%s: sent %v", order, *sent)
		}
	}
}

// A new connection from the same port may be another program's.
func TestTheSamePortIsNotTheSameProgram(t *testing.T) {
	f := flowTo(firewall.TCP, 40000, "192.0.2.1:443")
	x := newBench(decider{firewall.Allow})
	sent := sentBy(x)
	x.connect(f, "a")
	x.leave(segment{flow: f, flags: packet.SYN, sequence: 1}.bytes())
	x.leave(segment{flow: f, flags: packet.SYN, sequence: 1}.bytes())
	if len(*sent) != 2 {
		t.Fatalf("%d segments passed", len(*sent))
	}
	x.leave(segment{flow: f, flags: packet.SYN, sequence: 2}.bytes())
	if len(*sent) != 2 {
		t.Fatal("the other connection passed before its event")
	}
	x.connect(f, "b")
	if len(*sent) != 3 || x.flows.byKey[flowKey{Flow: f}].attempt.Program != program("b") {
		t.Error("the other connection is not the other program's")
	}
}

// The checksums of TCP and UDP are left to the driver; those of ICMP and of
// fragments are the sender's.
func TestWhichChecksumsTheDriverComputes(t *testing.T) {
	f := flowTo(firewall.UDP, 40000, "192.0.2.1:443")
	first := fragmented(f, make([]byte, 64), 7, 32)[0]
	ping, body := ipPacket(flowTo(firewall.ICMP, 0, "192.0.2.1:0"), 16)
	body[0] = 8
	for name, test := range map[string]struct {
		bytes    []byte
		computed bool
	}{
		"udp":      {udp(f, nil), true},
		"fragment": {first, false},
		"icmp":     {ping, false},
	} {
		x := newBench(decider{firewall.Allow})
		sent := sentBy(x)
		a := packetAddress(test.bytes, true)
		x.send(test.bytes, &a)
		if bits := (*sent)[0].address[addressFlags] & bitChecksum; bits == 0 != test.computed {
			t.Errorf("%s: bits %#x", name, bits)
		}
	}
}

func TestOldFlowsMakeRoomForNewOnes(t *testing.T) {
	fs := newFlows(10)
	for port := range uint16(100) {
		f := fs.add(flowKey{Flow: flowTo(firewall.UDP, port, "192.0.2.1:443")})
		if f == nil {
			t.Fatal("no room")
		}
		fs.join(f, uint64(port%3)+1)
		f.stage = known
	}
	listed := 0
	for _, f := range fs.endpoints {
		for ; f != nil; f = f.next {
			listed++
		}
	}
	if len(fs.byKey) != 10 || listed != 10 {
		t.Errorf("%d flows, %d of sockets", len(fs.byKey), listed)
	}
	for _, f := range fs.byKey {
		f.waiting = make([]waiting, 1)
	}
	if fs.add(flowKey{Flow: flowTo(firewall.UDP, 1000, "192.0.2.1:443")}) != nil {
		t.Error("a flow of which packets wait was forgotten")
	}
}

func TestARingIsFilledAndEmptiedRoundAndRound(t *testing.T) {
	w := newWorld(ipv4World)
	h, err := w.driver.open("", layerNetwork, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	const packets = 500
	for n := range packets {
		h.(*memoryHandle).put(record{bytes: slices.Repeat([]byte{byte(n)}, 1+n*131%maxPacket)})
	}
	h.shutdown()
	r := newRing(socketRing, nil)
	go r.fill(h)
	n := 0
	for rec := range r.records {
		if len(rec.bytes) != 1+n*131%maxPacket || rec.bytes[0] != byte(n) || rec.bytes[len(rec.bytes)-1] != byte(n) {
			t.Fatalf("packet %d came with %d bytes", n, len(rec.bytes))
		}
		r.release(&rec)
		n++
	}
	if n != packets || r.err != nil {
		t.Errorf("%d packets, then %v", n, r.err)
	}
}

func TestADecisionIsRememberedAsWidelyAsItHolds(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	a := firewall.Attempt{
		Flow: flowTo(firewall.TCP, 40000, "192.0.2.1:443"), Program: program("a"),
		PID: 7, Started: at, Host: "good.test", Time: at,
	}
	elsewhere, later, renamed, reused := a, a, a, a
	elsewhere.Remote, elsewhere.Zone = addrPort("192.0.2.2:443"), firewall.TrustedZone
	later.Time = at.Add(time.Minute)
	renamed.Host = "other.test"
	reused.Started = at.Add(time.Hour)
	for _, test := range []struct {
		name  string
		scope firewall.Scope
		b     firewall.Bounds
		want  [5]bool // a, elsewhere, later, renamed, reused
	}{
		{"flow", firewall.ThisFlow, firewall.Bounds{}, [5]bool{}},
		{"program", firewall.ThisProgram, firewall.Bounds{}, [5]bool{true, true, true, true, true}},
		{"destination", firewall.ThisDestination, firewall.Bounds{}, [5]bool{true, false, true, true, true}},
		{"process", firewall.ThisProgram, firewall.Bounds{Process: true}, [5]bool{true, true, true, true, false}},
		{"host", firewall.ThisDestination, firewall.Bounds{Host: true}, [5]bool{true, false, true, false, true}},
		{"zone", firewall.ThisProgram, firewall.Bounds{Zone: true}, [5]bool{true, false, true, true, true}},
		{"until", firewall.ThisProgram, firewall.Bounds{Until: at.Add(time.Second)}, [5]bool{true, true, false, true, true}},
	} {
		for i, other := range []firewall.Attempt{a, elsewhere, later, renamed, reused} {
			c := newCache(4)
			c.put(&a, firewall.Decision{Verdict: firewall.Allow, Scope: test.scope, Bounds: test.b})
			if _, ok := c.find(&other); ok != test.want[i] {
				t.Errorf("%s: attempt %d: %v", test.name, i, ok)
			}
		}
	}
}

func TestTheNewestSegmentOfAFlowIsHeld(t *testing.T) {
	f := flowTo(firewall.TCP, 40000, "192.0.2.1:443")
	x := newBench(&collector{})
	sent := sentBy(x)
	x.connect(f, "a")
	older := segment{flow: f, flags: packet.SYN, sequence: 1}.bytes()
	newer := segment{flow: f, flags: packet.SYN | packet.PSH, sequence: 1}.bytes()
	for _, b := range [][]byte{older, older, newer} {
		x.leave(b)
	}
	holds := x.holds.take()
	if len(holds) != 1 || x.packets != 1 || x.bytes != len(newer) {
		t.Fatalf("%d flows are held, %d packets with %d bytes", len(holds), x.packets, x.bytes)
	}
	holds[0].Release(firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByAnswer})
	x.collect(time.Now())
	if len(*sent) != 1 || !slices.Equal((*sent)[0].bytes, newer) {
		t.Errorf("sent %v", *sent)
	}
}

// The last event may be read before the first packet.
func TestAConnectionThatWasGivenUpIsGoneWhenItIsHeld(t *testing.T) {
	f := flowTo(firewall.TCP, 40000, "192.0.2.1:443")
	x := newBench(&collector{})
	x.connect(f, "a")
	a := socketAddress(eventClose, f, 4000, 0)
	x.event(&a, time.Now())
	x.leave(segment{flow: f, flags: packet.SYN, sequence: 1}.bytes())
	holds := x.holds.take()
	if len(holds) != 1 {
		t.Fatalf("%d flows are held", len(holds))
	}
	select {
	case <-holds[0].Gone:
	default:
		t.Error("the engine would wait for nobody")
	}
}

func TestALockIsInForceBeforeTheDriverDrops(t *testing.T) {
	x := newBench(decider{firewall.Allow})
	x.policy = firewall.Policy{Mode: firewall.ModeLock}
	sent := sentBy(x)
	in := flowTo(firewall.TCP, 443, "192.0.2.1:40000")
	in.Local, in.Remote = in.Remote, in.Local
	for _, b := range [][]byte{segment{flow: in, flags: packet.SYN}.bytes(), udp(flowFrom(firewall.UDP, "192.0.2.1:53", "10.0.0.2:5000"), nil)} {
		a := packetAddress(b, false)
		x.packet(b, &a, time.Now())
	}
	x.leave(segment{flow: flowTo(firewall.TCP, 40000, "192.0.2.1:443"), flags: packet.ACK}.bytes())
	if len(*sent) != 0 {
		t.Errorf("%d packets passed", len(*sent))
	}
}

// The system tells of a socket again whenever filters change, and when it
// connects once more.
func TestASocketThatIsToldOfAgainIsTheSame(t *testing.T) {
	f := flowTo(firewall.TCP, 40000, "192.0.2.1:443")
	x := newBench(&collector{})
	sent := sentBy(x)
	told := func() {
		a := socketAddress(eventConnect, f, 4000, 7)
		x.event(&a, time.Now())
	}
	identified := func() {
		task := <-x.tasks
		x.identified(result{flow: task.flow, ticket: task.ticket, pid: task.pid, program: program("a")}, time.Now())
	}
	told()
	identified()
	x.leave(segment{flow: f, flags: packet.SYN, sequence: 1}.bytes())
	told()
	holds := x.holds.take()
	if len(holds) != 1 || len(x.tasks) != 0 {
		t.Fatalf("%d flows are held, %d are looked up", len(holds), len(x.tasks))
	}
	select {
	case <-holds[0].Gone:
		t.Fatal("its program is said to have given up")
	default:
	}
	x.leave(segment{flow: f, flags: packet.SYN, sequence: 2}.bytes())
	identified()
	select {
	case <-holds[0].Gone:
	default:
		t.Error("the first connection is still waited for")
	}
	again := x.holds.take()
	if len(again) != 1 || again[0].Program != program("a") {
		t.Fatalf("%d flows are held", len(again))
	}
	for _, h := range append(holds, again...) {
		h.Release(firewall.Decision{Verdict: firewall.Allow, Reason: map[bool]firewall.Reason{true: firewall.Gone, false: firewall.ByAnswer}[h.Gone == holds[0].Gone]})
	}
	x.collect(time.Now())
	if len(*sent) != 1 || x.core.packets != 0 {
		t.Errorf("%d segments left, %d wait", len(*sent), x.core.packets)
	}
}
