package netfilter_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// counted is how many connections of a program the log holds.
func (g *guard) counted(path string) (n int) {
	for _, e := range g.entries {
		if e.Program.Path == path {
			n += e.Count
		}
	}
	return n
}

func TestTheLogCountsEveryConnection(t *testing.T) {
	const connections = 500
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("busy")
	g.decide(path, firewall.Allow)
	program := world.talk(path)
	for range connections {
		must(t, program, "open tcp4")
		must(t, program, "connect 10.77.0.2:7000")
		must(t, program, "close")
	}
	g.await("every connection in the log", func() bool { return g.counted(path) >= connections })
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.counted(path); n != connections {
		t.Errorf("the log counts %d connections, want %d", n, connections)
	}
}

func TestALineOfTheLogIsReadableWithinASecond(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("logged")
	g.decide(path, firewall.Allow)
	for i := range 3 {
		program := world.talk(path)
		must(t, program, "open tcp4")
		connected := must(t, program, "connect 10.77.0.2:7000").Ended
		g.await("the line", func() bool { return g.counted(path) == i+1 })
		g.mu.Lock()
		late := g.heard[len(g.heard)-1].Sub(connected)
		g.mu.Unlock()
		if late > time.Second+100*time.Millisecond {
			t.Errorf("the line was readable %v after the connection", late)
		}
	}
}

// briefCode is a program that sends one datagram and ends: socket, sendto,
// exit. It lives for some 100 µs, far less than a process takes to look at it.
// The address it sends to follows it.
var briefCode = map[string]struct {
	machine uint16
	code    string
}{
	"amd64": {62, "\xb8\x29\x00\x00\x00\xbf\x02\x00\x00\x00\xbe\x02\x00\x00\x00\x31\xd2\x0f\x05\x89\xc7\x48\x8d\x35\x25\x00\x00\x00" +
		"\xba\x01\x00\x00\x00\x45\x31\xd2\x4c\x8d\x05\x17\x00\x00\x00\x41\xb9\x10\x00\x00\x00\xb8\x2c\x00\x00\x00\x0f\x05" +
		"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05x"},
	"arm64": {183, "\xc8\x18\x80\xd2\x40\x00\x80\xd2\x41\x00\x80\xd2\x02\x00\x80\xd2\x01\x00\x00\xd4\x41\x01\x00\x10\x22\x00\x80\xd2" +
		"\x03\x00\x80\xd2\xe4\x00\x00\x30\x05\x02\x80\xd2\xc8\x19\x80\xd2\x01\x00\x00\xd4\x00\x00\x80\xd2\xa8\x0b\x80\xd2\x01\x00\x00\xd4x"},
}

// brief is the ELF file of such a program.
func brief(t *testing.T, to netip.AddrPort) []byte {
	t.Helper()
	code, ok := briefCode[runtime.GOARCH]
	if !ok {
		t.Fatalf("no brief program for %s", runtime.GOARCH)
	}
	const base, header = 0x400000, 64 + 56
	order := binary.LittleEndian
	text := append([]byte(code.code), 2, 0)
	text = binary.BigEndian.AppendUint16(text, to.Port())
	text = append(text, to.Addr().AsSlice()...)
	text = append(text, make([]byte, 8)...)
	size := uint64(header + len(text))
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	b = order.AppendUint16(b, 2) // executable
	b = order.AppendUint16(b, code.machine)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint64(b, base+header)
	b = order.AppendUint64(b, 64)
	b = append(b, make([]byte, 12)...)
	for _, n := range []uint16{64, 56, 1, 0, 0, 0} {
		b = order.AppendUint16(b, n)
	}
	b = order.AppendUint32(b, 1) // load
	b = order.AppendUint32(b, 5) // readable, executable
	for _, n := range []uint64{0, base, base, size, size, 4096} {
		b = order.AppendUint64(b, n)
	}
	return append(b, text...)
}

func TestProgramsThatLiveForAMomentAreAskedAboutByName(t *testing.T) {
	const programs, port = 1000, 7001
	world := newWorld(t)
	g := world.guard(setup{})
	content := brief(t, netip.AddrPortFrom(netip.MustParseAddr(peerAddr), port))
	want := map[string]bool{}
	for i := range programs {
		want[world.executable(fmt.Sprintf("brief-%04d", i), content)] = true
	}
	world.mustRun(world.inside("sh", "-c", "for p in "+world.dir+"/brief-*; do $p; done"))
	// A program that ended before anybody could look is asked about as
	// unidentified, each for itself; it never borrows a name.
	asked := map[firewall.Program]bool{}
	g.await("a question or a line about each program", func() bool {
		for _, p := range g.prompts {
			asked[p.Program] = true
		}
		for _, e := range g.entries {
			asked[e.Program] = true
		}
		return len(asked) >= programs
	})
	named := 0
	for program := range asked {
		if program.Path != "" {
			named++
		}
		if program.Path != "" && !want[program.Path] || program.Kind == firewall.Kernel {
			t.Errorf("a program is named %+v", program)
		}
	}
	t.Logf("%d of %d programs are named", named, programs)
	if seen := world.see("end")[fmt.Sprint("udp ", port)]; seen != 0 {
		t.Errorf("%d datagrams passed unasked", seen)
	}
	if e := g.tell(request{Do: "stats"}); e.Lost != 0 || e.Stats.DroppedEvents != 0 {
		t.Errorf("%d and %d events were lost", e.Lost, e.Stats.DroppedEvents)
	}
}

func TestTheNameThatWasAskedForIsShown(t *testing.T) {
	world := newWorld(t)
	conf := world.executable("resolv.conf", []byte("nameserver "+peerAddr+"\n"))
	if out, err := world.outside("mount", "--bind", conf, "/etc/resolv.conf").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	g := world.guard(setup{})
	curl, err := os.ReadFile("/usr/bin/curl")
	if err != nil {
		t.Fatal(err)
	}
	path := world.executable("curl", curl)
	run := startChild[string](t, world.inside(path, "-sS4", "--max-time", "10", "http://www.example.test/hello"), nil)
	p := g.asked(path)
	if p.First.Host != "www.example.test" || p.First.Protocol != firewall.TCP || p.First.Remote.Port() != httpPort {
		t.Errorf("asked about %v with host %q, want the connection to www.example.test", p.First.Flow, p.First.Host)
	}
	g.mu.Lock()
	if len(g.prompts) != 1 || p.Others != 0 {
		t.Errorf("a query to the resolver raised a question: %+v", g.prompts)
	}
	g.mu.Unlock()
	g.remember(p, firewall.Allow)
	run.wait(t)
	if run.err != nil {
		t.Errorf("curl ended with %v: %s", run.err, run.noise.String())
	}
}
