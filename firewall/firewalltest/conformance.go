package firewalltest

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Driver lets [Conformance] act on the system that a backend filters.
type Driver interface {
	// Backend returns the backend, which does not run yet.
	Backend() firewall.Backend
	// Program says what the backend calls the program with this short name,
	// "a" or "b".
	Program(name string) firewall.Program
	// Destination is the address of a TCP server, 0 or 1; neither is on
	// loopback as the backend sees it.
	Destination(n int) netip.AddrPort
	// Name has the computer ask its resolver for the name, and learn that it
	// is destination 0's address. What that was called before is no more.
	Name(ctx context.Context, host string) error
	// Dial has a program, in a new process, connect to the destination, and
	// returns when it is connected or cannot be. Reading from the connection blocks until it is
	// cut; closing it ends the program.
	Dial(ctx context.Context, program string, destination int) (io.ReadCloser, error)
}

// soon is how long a step may take before the test fails.
const soon = 10 * time.Second

// timed is how long a timed rule lasts in a test, at least.
const timed = time.Second

// Conformance checks what every backend promises, with a real engine. start
// makes a new driver, and cleans up after it by t.Cleanup.
func Conformance(t *testing.T, start func(t *testing.T) Driver) {
	for _, test := range []struct {
		name string
		run  func(*site)
	}{
		{"a program never seen is held until it is allowed", func(s *site) {
			c := s.dial("a", 0)
			p := s.prompt("a")
			if p.First.Remote != s.driver.Destination(0) || p.First.Protocol != firewall.TCP || p.First.Direction != firewall.Out {
				s.Errorf("the prompt shows %+v", p.First.Flow)
			}
			s.held(c)
			s.answer(p, firewall.Allow)
			s.connected(c)
		}},
		{"a held connection that is blocked fails at once", func(s *site) {
			c := s.dial("a", 0)
			s.answer(s.prompt("a"), firewall.Block)
			s.refused(c)
		}},
		{"once is once", func(s *site) {
			c := s.dial("a", 0)
			s.answer(s.prompt("a"), firewall.Allow)
			s.connected(c)
			again := s.dial("a", 0)
			s.answer(s.prompt("a"), firewall.Block)
			s.refused(again)
		}},
		{"each program is asked about on its own", func(s *site) {
			a, b := s.dial("a", 0), s.dial("b", 0)
			pa, pb := s.prompt("a"), s.prompt("b")
			s.answer(pb, firewall.Allow)
			s.connected(b)
			s.held(a)
			s.answer(pa, firewall.Block)
			s.refused(a)
		}},
		{"an allowed program passes unasked, and the log has it", func(s *site) {
			s.use(s.rule("a", firewall.Allow))
			for range 3 {
				s.connected(s.dial("a", 0))
			}
			s.connected(s.dial("a", 1))
			s.unasked()
			s.logged("a", firewall.Allow, 4)
		}},
		{"a blocked program fails unasked, and the log has it", func(s *site) {
			s.use(s.rule("a", firewall.Block))
			for range 3 {
				s.refused(s.dial("a", 0))
			}
			s.unasked()
			s.logged("a", firewall.Block, 1)
		}},
		{"a destination that is allowed opens no other", func(s *site) {
			r := s.rule("a", firewall.Allow)
			r.Port = s.driver.Destination(0).Port()
			addr := s.driver.Destination(0).Addr()
			r.Remote = netip.PrefixFrom(addr, addr.BitLen())
			s.use(r)
			s.connected(s.dial("a", 0))
			s.connected(s.dial("a", 0))
			c := s.dial("a", 1)
			s.answer(s.prompt("a"), firewall.Block)
			s.refused(c)
			s.connected(s.dial("a", 0))
		}},
		{"a rule releases what is held", func(s *site) {
			a, b := s.dial("a", 0), s.dial("b", 0)
			s.prompt("a")
			s.prompt("b")
			s.use(s.rule("a", firewall.Allow), s.rule("b", firewall.Block))
			s.connected(a)
			s.refused(b)
		}},
		{"a changed rule cuts what it no longer allows", func(s *site) {
			s.use(s.rule("a", firewall.Allow), s.rule("b", firewall.Allow))
			a, b := s.connected(s.dial("a", 0)), s.connected(s.dial("b", 0))
			s.use(s.rule("a", firewall.Block), s.rule("b", firewall.Allow))
			s.cut(a)
			s.refused(s.dial("a", 0))
			s.open(b)
		}},
		{"a removed rule is forgotten", func(s *site) {
			s.use(s.rule("a", firewall.Allow))
			s.connected(s.dial("a", 0))
			s.use()
			c := s.dial("a", 0)
			s.answer(s.prompt("a"), firewall.Block)
			s.refused(c)
		}},
		{"a rule for a name holds while the address has it", func(s *site) {
			r := s.rule("a", firewall.Allow)
			r.Host = "good.test"
			s.use(r)
			s.named("good.test")
			s.connected(s.dial("a", 0))
			s.connected(s.dial("a", 0))
			s.named("other.test")
			c := s.dial("a", 0)
			s.answer(s.prompt("a"), firewall.Block)
			s.refused(c)
			s.named("good.test")
			s.connected(s.dial("a", 0))
		}},
		{"a rule until exit is for its process only", func(s *site) {
			first := s.dial("a", 0)
			p := s.prompt("a").First
			r := s.rule("a", firewall.Allow)
			r.Until = firewall.Expiry{Exit: true, PID: p.PID, Started: p.Started}
			s.use(r)
			s.connected(first)
			second := s.dial("a", 0)
			if p2 := s.prompt("a"); p2.First.PID == p.PID {
				s.Errorf("both processes are %d", p.PID)
			} else {
				s.answer(p2, firewall.Block)
			}
			s.refused(second)
			s.open(first)
		}},
		{"a timed rule ends by the clock", func(s *site) {
			r := s.rule("a", firewall.Allow)
			s.use(r)
			start := time.Now()
			s.connected(s.dial("a", 0))
			// Time enough for two more, however slow this computer is.
			r.Until.At = time.Now().Add(max(timed, 8*time.Since(start)))
			s.use(r)
			s.connected(s.dial("a", 0))
			s.connected(s.dial("a", 0))
			<-time.After(time.Until(r.Until.At))
			c := s.dial("a", 0)
			s.answer(s.prompt("a"), firewall.Block)
			s.refused(c)
		}},
		{"the modes", func(s *site) {
			s.use(s.rule("a", firewall.Allow))
			s.setMode(firewall.ModeLock)
			s.refused(s.dial("a", 0))
			s.setMode(firewall.ModeBlock)
			s.connected(s.dial("a", 0))
			s.refused(s.dial("b", 0))
			s.setMode(firewall.ModeAllow)
			s.connected(s.dial("b", 0))
			s.use(s.rule("a", firewall.Block))
			s.refused(s.dial("a", 0))
			s.setMode(firewall.ModeOff)
			s.connected(s.dial("a", 0))
			s.setMode(firewall.ModeAsk)
			s.refused(s.dial("a", 0))
			s.unasked()
		}},
		{"after it has ended, networking is as it was", func(s *site) {
			s.use(s.rule("a", firewall.Block))
			s.refused(s.dial("a", 0))
			s.stopBackend()
			s.connected(s.dial("a", 0))
			s.connected(s.dial("b", 0))
		}},
		{"under fail open, what is held when it ends connects", func(s *site) {
			s.failOpen = true
			s.apply()
			c := s.dial("a", 0)
			s.prompt("a")
			s.held(c)
			s.stopBackend()
			s.connected(c)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, start(t))
			test.run(s)
		})
	}
}

// dialled is a connection that is being opened.
type dialled struct {
	name string
	done chan struct{}
	conn io.ReadCloser
	err  error
}

func (s *site) dial(program string, destination int) *dialled {
	d := &dialled{name: fmt.Sprintf("%s to %s", program, s.driver.Destination(destination)), done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.conn, d.err = s.driver.Dial(s.ctx, program, destination)
	}()
	s.Cleanup(func() {
		<-d.done // the site's context has ended
		if d.conn != nil {
			d.conn.Close()
		}
	})
	return d
}

// named makes the name destination 0's.
func (s *site) named(host string) {
	s.Helper()
	if err := s.driver.Name(s.ctx, host); err != nil {
		s.Fatal(err)
	}
}

// connected waits until the connection is open.
func (s *site) connected(d *dialled) *dialled {
	s.Helper()
	s.finished(d)
	if d.err != nil {
		s.Fatalf("%s: %v", d.name, d.err)
	}
	return d
}

// refused waits until the connection has failed.
func (s *site) refused(d *dialled) {
	s.Helper()
	s.finished(d)
	if d.err == nil {
		s.Fatalf("%s: connected, should be blocked", d.name)
	}
}

func (s *site) finished(d *dialled) {
	s.Helper()
	select {
	case <-d.done:
	case <-time.After(soon):
		s.Fatalf("%s: neither connected nor refused; prompts: %+v", d.name, s.engine.Prompts())
	}
}

// held checks that the connection is neither open nor refused.
func (s *site) held(d *dialled) {
	s.Helper()
	select {
	case <-d.done:
		s.Fatalf("%s: not held (%v)", d.name, d.err)
	default:
	}
}

// cut waits until an open connection is cut.
func (s *site) cut(d *dialled) {
	s.Helper()
	select {
	case <-ended(d):
	case <-time.After(soon):
		s.Fatalf("%s: still open", d.name)
	}
}

// open checks that a connection was not cut.
func (s *site) open(d *dialled) {
	s.Helper()
	select {
	case <-ended(d):
		s.Fatalf("%s: cut", d.name)
	default:
	}
}

func ended(d *dialled) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		d.conn.Read(make([]byte, 1))
		close(c)
	}()
	return c
}
