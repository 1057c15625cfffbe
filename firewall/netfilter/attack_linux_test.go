package netfilter_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// attack is one more way of getting a packet to the peer.
type attack struct {
	name    string
	sends   []string // commands of testdata/talk; what they say does not matter
	arrives string   // what the peer sees if the packet gets there
	forged  bool     // it is dropped without a question, and logged
}

const (
	echoRequest4 = "\x08\x00\xf7\xfd\x00\x01\x00\x01"
	echoRequest6 = "\x80\x00\x00\x00\x00\x01\x00\x01"
)

var attacks = []attack{
	{"fast open", []string{"open tcp4", "fastopen 10.77.0.2:7100 x"}, "tcp 7100", false},
	{"fast open by connect", []string{"open tcp4", "set fastopen 1", "connect 10.77.0.2:7101", "send x"}, "tcp 7101", false},
	{"io_uring connect", []string{"open tcp4", "uring connect 10.77.0.2:7102"}, "tcp 7102", false},
	{"io_uring connect by a kernel thread", []string{"open tcp4", "sqpoll connect 10.77.0.2:7103"}, "tcp 7103", false},
	{"io_uring send", []string{"open udp4", "uring connect 10.77.0.2:7104", "uring send x"}, "udp 7104", false},
	{"io_uring send by a kernel thread", []string{"open udp4", "sqpoll connect 10.77.0.2:7105", "sqpoll send x"}, "udp 7105", false},
	{"several datagrams in one call", []string{"open udp4", "mmsg 10.77.0.2:7106 10.77.0.2:7107"}, "udp 7107", false},
	{"connected anew", []string{"open udp4", "connect 10.77.0.1:9", "disconnect", "connect 10.77.0.2:7108", "send x"}, "udp 7108", false},
	{"connected anew without an end", []string{"open udp4", "connect 10.77.0.1:9", "connect 10.77.0.2:7109", "send x"}, "udp 7109", false},
	{"another address over a connected socket", []string{"open udp4", "connect 10.77.0.1:9", "sendto 10.77.0.2:7110 x"}, "udp 7110", false},
	{"a bound device", []string{"open udp4", "set device vc", "sendto 10.77.0.2:7111 x"}, "udp 7111", false},
	{"a foreign source address", []string{"open udp4", "set transparent4 1", "bind 10.77.0.77:1", "sendto 10.77.0.2:7112 x"}, "udp 7112", false},
	{"a mark", []string{"open udp4", "set mark 1", "sendto 10.77.0.2:7114 x"}, "udp 7114", false},
	{"broadcast", []string{"open udp4", "set broadcast 1", "sendto 10.77.0.255:7115 x"}, "udp 7115", false},
	{"broadcast to all", []string{"open udp4", "set broadcast 1", "set device vc", "sendto 255.255.255.255:7116 x"}, "udp 7116", false},
	{"multicast", []string{"open udp4", "set device vc", "sendto 239.1.2.3:7117 x"}, "udp 7117", false},
	{"multicast over ipv6", []string{"open udp6", "sendto [ff02::1%vc]:7118 x"}, "udp 7118", false},
	{"v4-mapped multicast", []string{"open udp6", "set device vc", "sendto [::ffff:239.1.2.3]:7119 x"}, "udp 7119", false},
	{"more than a packet holds", []string{"open udp4", "connect 10.77.0.2:7120", "sendbig 5000"}, "udp 7120", false},
	{"more than a packet holds over ipv6", []string{"open udp6", "connect [fd77::2]:7121", "sendbig 5000"}, "udp 7121", false},
	{"datagrams that the kernel cuts", []string{"open udp4", "connect 10.77.0.2:7122", "set segment 100", "sendbig 1000"}, "udp 7122", false},
	{"a ping socket", []string{"open ping4", "sendto 10.77.0.2:0 " + echoRequest4}, "icmp 0", false},
	{"a ping socket over ipv6", []string{"open ping6", "sendto [fd77::2]:0 " + echoRequest6}, "icmp 0", false},
	{"a connected ping socket", []string{"open ping4", "connect 10.77.0.2:0", "send " + echoRequest4}, "icmp 0", false},
	{"a raw ping", []string{"open raw4/1", "sendto 10.77.0.2:0 " + echoRequest4}, "icmp 0", false},
	{"a raw ping over ipv6", []string{"open raw6/58", "sendto [fd77::2]:0 " + echoRequest6}, "icmp 0", false},
	{"a raw datagram", []string{"open raw4/17", "sendto 10.77.0.2:0 \x1b\xbc\x1b\xbd\x00\x08\x00\x00"}, "udp 7101", false},
	{"ip in ip", []string{"open raw4/4", "sendto 10.77.0.2:0 xxxx"}, "4 0", false},
	{"gre", []string{"open raw4/47", "sendto 10.77.0.2:0 xxxx"}, "gre 0", false},
	{"an unnamed protocol", []string{"open raw4/253", "sendto 10.77.0.2:0 x"}, "253 0", false},
	{"sctp", []string{"open raw4/132", "sendto 10.77.0.2:0 \x1b\xbc\x1b\xbd\x00\x08\x00\x00\x00\x00\x00\x00"}, "sctp 7101", false},
	{"dccp", []string{"open raw4/33", "sendto 10.77.0.2:0 \x1b\xbc\x1b\xbd\x00\x08\x00\x00\x00\x00\x00\x00"}, "dccp 7101", false},
	{"udp-lite", []string{"open raw4/136", "sendto 10.77.0.2:0 \x1b\xbc\x1b\xbd\x00\x08\x00\x00"}, "udplite 7101", false},
	{"a made-up datagram", []string{packet4("10.77.0.1", "10.77.0.2", 17, 0, "", udpHeader(7123))}, "udp 7123", false},
	{"a made-up datagram of the peer's own", []string{packet4("10.77.0.2", "10.77.0.2", 17, 0, "", udpHeader(7124))}, "udp 7124", false},
	{"a made-up datagram with options", []string{packet4("10.77.0.1", "10.77.0.2", 17, 0, "\x01\x01\x01\x01", udpHeader(7125))}, "udp 7125", false},
	{"a first fragment", []string{packet4("10.77.0.1", "10.77.0.2", 17, 0x2000, "", udpHeader(7126))}, "udp 7126", false},
	{"a later fragment", []string{packet4("10.77.0.1", "10.77.0.2", 17, 0x0001, "", "12345678")}, "udp 0", false},
	{"a made-up syn", []string{packet4("10.77.0.1", "10.77.0.2", 6, 0, "", tcpHeader(7127, 0x02))}, "tcp 7127", false},
	{"a made-up datagram over ipv6", []string{packet6(17, udpHeader(7128))}, "udp 7128", false},
	{"an extension header", []string{packet6(60, "\x11\x00\x01\x04\x00\x00\x00\x00"+udpHeader(7129))}, "udp 7129", false},
	{"a fragment over ipv6", []string{packet6(44, "\x11\x00\x00\x08\x00\x00\x00\x01"+udpHeader(7130))}, "udp 0", false},

	{"a made-up segment", []string{packet4("10.77.0.1", "10.77.0.2", 6, 0, "", tcpHeader(7131, 0x10))}, "segment 7131", true},
	{"a made-up segment over ipv6", []string{packet6(6, tcpHeader(7132, 0x10))}, "segment 7132", true},
	{"a made-up segment behind an extension header", []string{packet6(60, "\x06\x00\x01\x04\x00\x00\x00\x00"+tcpHeader(7133, 0x10))}, "segment 7133", true},
}

// learned is what makes the kernel know what was decided of a program.
var learned = attack{"learned", []string{"open udp4", "sendto 10.77.0.2:7199 x"}, "udp 7199", false}

func udpHeader(port uint16) string {
	return string([]byte{0x1b, 0x58, byte(port >> 8), byte(port), 0, 8, 0, 0})
}

func tcpHeader(port uint16, flags byte) string {
	return string([]byte{0x1b, 0x58, byte(port >> 8), byte(port), 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x10, 0, 0, 0, 0, 0})
}

// packet4 is the command that sends a packet which a program made up.
func packet4(from, to string, protocol byte, fragment uint16, options, rest string) string {
	b := []byte{0x45 + byte(len(options)/4), 0, 0, byte(20 + len(options) + len(rest)), 0x12, 0x34, byte(fragment >> 8), byte(fragment), 64, protocol, 0, 0}
	b = append(b, netip.MustParseAddr(from).AsSlice()...)
	b = append(b, netip.MustParseAddr(to).AsSlice()...)
	return "packet4 " + to + " " + hex.EncodeToString(append(append(b, options...), rest...))
}

func packet6(next byte, rest string) string {
	b := []byte{0x60, 0, 0, 0, 0, byte(len(rest)), next, 64}
	b = append(b, netip.MustParseAddr(clientAddr6).AsSlice()...)
	b = append(b, netip.MustParseAddr(peerAddr6).AsSlice()...)
	return "packet6 " + peerAddr6 + " " + hex.EncodeToString(append(b, rest...))
}

// begin has a program do it; a command that is held may take its time.
func (a attack) begin(t *testing.T, world *world, path string) {
	t.Helper()
	program := world.talk(path)
	program.send(t, strings.Join(a.sends, "\n"))
}

// arrivals waits until the peer saw more than before.
func (a attack) arrivals(t *testing.T, world *world, before int) {
	t.Helper()
	await(t, "the packet to arrive: "+a.name, func() bool { return world.see("arrived")[a.arrives] > before })
}

func TestWithoutAFirewallEveryAttackArrives(t *testing.T) {
	world := newWorld(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			world := world.at(t, nil)
			before := world.see("before")[a.arrives]
			a.begin(t, world, world.program("free"))
			a.arrivals(t, world, before)
		})
	}
}

func TestEveryAttackIsHeldAndNamed(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	for i, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			world := world.at(t, g)
			blocked, unknown := world.program(fmt.Sprint("blocked-", i)), world.program(fmt.Sprint("unknown-", i))
			before := world.see("before")[a.arrives]
			g.decide(blocked, firewall.Block)
			a.begin(t, world, blocked)
			g.await("the refusal in the log", func() bool { return g.logged(blocked, firewall.Block) })
			a.begin(t, world, unknown)
			if a.forged {
				g.await("the refusal in the log", func() bool { return g.logged(unknown, firewall.Block) })
			} else {
				p := g.asked(unknown)
				if want, _, _ := strings.Cut(a.arrives, " "); p.First.Protocol.String() != want || p.First.PID == 0 {
					t.Errorf("asked about %+v", p.First)
				}
				if p.First.Remote.Addr().IsLoopback() || p.First.Place == firewall.Loopback {
					t.Errorf("it counts as loopback: %+v", p.First)
				}
			}
			if after := world.see("held")[a.arrives]; after != before {
				t.Fatalf("%d packets passed unasked or blocked", after-before)
			}
			if a.forged {
				g.decide(unknown, firewall.Allow)
				before := world.see("before")[learned.arrives]
				learned.begin(t, world, unknown)
				learned.arrivals(t, world, before)
				a.begin(t, world, unknown)
			} else {
				g.remember(g.asked(unknown), firewall.Allow)
			}
			a.arrivals(t, world, before)
			g.unasked(t)
		})
	}
}

// logged tells whether the log has a line about a program with a verdict.
func (g *guard) logged(path string, v firewall.Verdict) bool {
	for _, e := range g.entries {
		if e.Program.Path == path && e.Verdict == v {
			return true
		}
	}
	return false
}
