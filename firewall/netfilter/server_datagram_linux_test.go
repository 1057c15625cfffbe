package netfilter_test

import (
	"fmt"
	"strings"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// A datagram is not let in while it is asked about: who sent it sends it again.
func TestAServerOfDatagramsIsAskedAboutOnce(t *testing.T) {
	for i, door := range []struct{ name, kind, bind, call, to, from, here string }{
		{"udp4", "udp4", "10.77.0.1:7300", "udp4", "10.77.0.1:7300", "10.77.0.2", "10.77.0.1:7300"},
		{"udp6", "udp6", "[::]:7300", "udp6", "[fd77::1]:7300", "fd77::2", "[fd77::1]:7300"},
		{"v4-mapped", "udp6", "[::]:7300", "udp4", "10.77.0.1:7300", "10.77.0.2", "10.77.0.1:7300"},
		{"udplite4", "udplite4", "10.77.0.1:7300", "udplite4", "10.77.0.1:7300", "10.77.0.2", "10.77.0.1:7300"},
	} {
		for _, verdict := range []firewall.Verdict{firewall.Allow, firewall.Block} {
			t.Run(door.name+" "+verdict.String(), func(t *testing.T) {
				world := newWorld(t)
				path := world.program("server")
				program := world.start(world.talkInside, path, "open "+door.kind, "bind "+door.bind)
				if i%2 == 1 {
					world.end(program)
				}
				g := world.guard(setup{})
				if i%2 == 1 { // the others are older than the firewall
					program = world.start(world.talkInside, path, "open "+door.kind, "bind "+door.bind)
				}
				caller := world.caller("open "+door.call, "sendto "+door.to+" first")
				p := g.calledBy(path, door.from, door.here)
				must(t, caller, "sendto "+door.to+" second")
				g.admit(p, verdict, firewall.ScopeProgram)
				await(t, "the kernel to decide a datagram by itself", func() bool {
					must(t, caller, "sendto "+door.to+" third")
					g.mu.Lock()
					defer g.mu.Unlock()
					return g.calls(path, verdict) >= 2
				})
				if verdict == firewall.Allow {
					if r := must(t, program, "recv"); r.Text != "third" {
						t.Errorf("received %q, want what was sent after the answer", r.Text)
					}
					from := localPort(t, caller)
					must(t, program, fmt.Sprintf("sendto %s:%s answer", bracketed(door.from, door.kind), from))
					if r := must(t, caller, "recv"); r.Text != "answer" {
						t.Errorf("the answer is %q", r.Text)
					}
				} else {
					must(t, program, "set nonblocking 1")
					if r := do(t, program, "recv"); r.Error != "EAGAIN" {
						t.Errorf("received %q (%s), want nothing", r.Text, r.Error)
					}
				}
				g.unasked(t)
			})
		}
	}
}

// localPort is the port that the talker's socket is bound to.
func localPort(t *testing.T, c *talker) string {
	t.Helper()
	text := must(t, c, "name").Text
	return text[strings.LastIndex(text, ":")+1:]
}

func bracketed(addr, kind string) string {
	switch {
	case strings.Contains(addr, ":"):
		return "[" + addr + "]"
	case strings.HasSuffix(kind, "6"):
		return "[::ffff:" + addr + "]"
	}
	return addr
}

// What answers a program's own datagrams is not a call, whoever else it has
// sent to meanwhile.
func TestRepliesAreNotAskedAbout(t *testing.T) {
	world := newWorld(t)
	g := world.guard(setup{})
	path := world.program("client")
	g.decide(path, firewall.Allow)
	slow := world.caller("open udp4", "bind 10.77.0.2:7310")
	later := world.caller("open udp4", "bind 10.77.0.2:7311")
	client := world.start(world.talkInside, path, "open udp4", "bind 10.77.0.1:7312",
		"sendto 10.77.0.2:7310 a", "sendto 10.77.0.2:7311 b", "sendto 10.77.0.2:7000 c")
	if r := must(t, client, "recv"); r.Text != "c" {
		t.Errorf("the echo is %q", r.Text)
	}
	for _, c := range []*talker{slow, later, slow} {
		must(t, c, "sendto 10.77.0.1:7312 reply")
		if r := must(t, client, "recv"); r.Text != "reply" {
			t.Errorf("the reply is %q", r.Text)
		}
	}
	g.unasked(t)
	// From another port of the same computer it is a call.
	world.caller("open udp4", "bind 10.77.0.2:7313", "sendto 10.77.0.1:7312 call")
	g.calledBy(path, "10.77.0.2", "10.77.0.1:7312")
}
