package windivert

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"
)

const (
	realClient = "10.78.0.1"
	realServer = "10.78.0.2:4000"
	realQueue  = 1
)

// A program for Windows connects, in Wine and in a network namespace, to a
// server in another. Each of its packets waits in a netfilter queue until the
// driver's stand-in, and so the engine, lets it go.
func TestRealPacketsWaitForAnAnswer(t *testing.T) {
	requireWine(t)
	n := newNetwork(t)
	n.startInWine("TestTheEngineForRealPackets")
	n.await("ready")

	n.dial(41001)
	p := n.await("prompt")
	if !strings.HasPrefix(p.Text, "windivert.test.exe ") || p.To.String() != realServer {
		t.Errorf("the prompt is for %s to %s", p.Text, p.To)
	}
	if n.accepted.Load() {
		t.Error("the server was reached before the answer")
	}
	n.say(message{Kind: "answer", Text: "allow"})
	if d := n.await("dialled"); d.Text != "welcome\n" {
		t.Errorf("allowed: the program says %q", d.Text)
	}

	n.dial(41002)
	n.await("prompt")
	n.say(message{Kind: "answer", Text: "block"})
	if d := n.await("dialled"); !strings.Contains(d.Text, "refused") {
		t.Errorf("blocked: the program says %q", d.Text)
	}

	n.dial(41003)
	n.await("prompt")
	n.say(message{Kind: "answer", Text: "always"})
	if d := n.await("dialled"); d.Text != "welcome\n" {
		t.Errorf("always allowed: the program says %q", d.Text)
	}
	n.dial(41004)
	if m := n.next(); m.Kind != "dialled" || m.Text != "welcome\n" {
		t.Errorf("with the rule: %+v", m)
	}
	n.say(message{Kind: "end"})
}

func requireWine(t *testing.T) {
	t.Helper()
	var missing []string
	for _, tool := range []string{"wine", "x86_64-w64-mingw32-gcc", "ip", "iptables", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	if len(missing) == 0 {
		return
	}
	text := "it needs " + strings.Join(missing, ", ")
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// The program itself, as it is shipped, decides the packets of programs for
// Windows: it is asked, answered, asked again, killed and started again, all by
// its commands in Wine.
func TestSallyportDecidesRealPackets(t *testing.T) {
	requireWine(t)
	n := newNetwork(t)
	n.startInWine("TestSallyportForRealPackets")
	for m := n.next(); m.Kind != "done"; m = n.next() {
		t.Log(m.Text)
	}
}

// startInWine builds this test, and the program, for Windows, and runs the
// test's other half in Wine.
func (n *network) startInWine(half string) {
	n.Helper()
	folder := n.TempDir()
	program := filepath.Join(folder, "windivert.test.exe")
	for _, args := range [][]string{{"test", "-c", "-o", program, "."}, {"build", "-buildvcs=false", "-trimpath", "-o", filepath.Join(folder, "sallyport.exe"), "../.."}} {
		build := exec.Command("go", args...)
		build.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			n.Fatalf("build for Windows: %v: %s", err, out)
		}
	}
	c := exec.Command("nsenter", "--net="+n.client, "--", "../../scripts/wine-exec", program, "-test.run=^"+half+"$", "-test.timeout=4m")
	c.Env = append(os.Environ(), carrierVariable+"="+n.carrier.Addr().String())
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() {
		n.say(message{Kind: "end"})
		if err := c.Wait(); err != nil {
			n.Errorf("the half in Wine: %v: %s", err, said.String())
		}
	})
	// Another test may have the Wine prefix, or it is to be made.
	n.carrier.(*net.TCPListener).SetDeadline(time.Now().Add(4 * time.Minute))
	var err error
	if n.conn, err = n.carrier.Accept(); err != nil {
		n.Fatalf("the engine in Wine does not call: %v: %s", err, said.String())
	}
	n.Cleanup(func() { n.conn.Close() })
	n.out = json.NewEncoder(n.conn)
	ctx, stop := context.WithCancel(context.Background())
	n.Cleanup(stop)
	if err := n.queue.RegisterWithErrorFunc(ctx, n.queued, func(error) int { return 0 }); err != nil {
		n.Fatal(err)
	}
	go n.listen()
}

// queued hands a packet of a program to the driver.
func (n *network) queued(a nfqueue.Attribute) int {
	n.mu.Lock()
	n.waiting[string(*a.Payload)] = append(n.waiting[string(*a.Payload)], *a.PacketID)
	n.mu.Unlock()
	n.say(message{Kind: "packet", Packet: *a.Payload})
	return 0
}

func (n *network) say(m message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.out != nil {
		n.out.Encode(m)
	}
}

// listen carries what leaves the driver to where it goes.
func (n *network) listen() {
	defer close(n.in)
	for in := json.NewDecoder(n.conn); ; {
		var m message
		if in.Decode(&m) != nil {
			return
		}
		switch m.Kind {
		case "out":
			n.mu.Lock()
			if ids := n.waiting[string(m.Packet)]; len(ids) > 0 {
				n.queue.SetVerdict(ids[0], nfqueue.NfAccept)
				n.waiting[string(m.Packet)] = ids[1:]
			}
			n.mu.Unlock()
		case "in":
			// The driver would compute the checksum.
			sumTCP(m.Packet)
			unix.Sendto(n.raw, m.Packet, 0, &unix.SockaddrInet4{Addr: [4]byte(m.Packet[16:20])})
		default:
			n.in <- m
		}
	}
}

// dial has a program in Wine connect from the port.
func (n *network) dial(port uint16) {
	n.say(message{
		Kind: "dial", From: netip.AddrPortFrom(netip.MustParseAddr(realClient), port), To: netip.MustParseAddrPort(realServer),
	})
}

// next waits for a message.
func (n *network) next() (m message) {
	n.Helper()
	select {
	case m, ok := <-n.in:
		if !ok {
			n.Fatal("the engine in Wine has ended")
		}
		return m
	case <-time.After(time.Minute):
		n.Fatal("the engine in Wine says nothing more")
	}
	return m
}

// await waits for a message of the kind.
func (n *network) await(kind string) message {
	n.Helper()
	for {
		if m := n.next(); m.Kind == kind {
			return m
		}
	}
}

// sumTCP computes the checksum of an IPv4 packet's TCP segment.
func sumTCP(b []byte) {
	t := b[20:]
	t[16], t[17] = 0, 0
	sum := uint32(len(t)) + unix.IPPROTO_TCP
	for i := 12; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for i := 0; i+1 < len(t); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(t[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(t[16:], ^uint16(sum))
}
