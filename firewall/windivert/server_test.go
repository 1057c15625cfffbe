package windivert

import (
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// calls has another computer open a connection to a server.
func (w *world) calls(p firewall.Protocol, name string) (c *socket, first []byte) {
	f := flowTo(p, 80, "192.0.2.1:5000")
	c = &socket{world: w, flow: f, pid: 1000, done: make(chan struct{}), ended: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if name != "" {
		w.sockets[f] = c
		w.processes[1000] = runningProcess{program: program(name), started: time.Now()}
	}
	in := f
	in.Local, in.Remote = f.Remote, f.Local
	if p == firewall.UDP {
		answered := make(chan struct{})
		w.answers[80] = answered
		go func() {
			select {
			case <-answered:
				c.finish(nil)
			case <-c.ended:
			}
		}()
		return c, udp(in, []byte("hello"))
	}
	return c, segment{flow: in, flags: packet.SYN, sequence: 9}.bytes()
}

func serverRule(v firewall.Verdict) firewall.Rule {
	r := rule("server", v)
	r.Direction = firewall.In
	return r
}

func TestAServerIsAskedAboutOnce(t *testing.T) {
	for _, p := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
		t.Run(p.String(), func(t *testing.T) {
			w := newWorld(ipv4World)
			story(t, w, func(s *site) {
				c, first := w.calls(p, "server")
				w.enter(first)
				s.wait(time.Second)
				s.expect(c, "held")
				ps := s.engine.Prompts()
				if len(ps) != 1 || ps[0].Direction != firewall.In || ps[0].Program != program("server") || ps[0].First.Local.Port() != 80 {
					s.Fatalf("prompts: %+v", ps)
				}
				s.use(firewall.ModeAsk, serverRule(firewall.Allow))
				s.expect(c, "open")
				again, first := w.calls(p, "server")
				w.enter(first)
				s.wait(time.Second)
				s.expect(again, "open")
				if ps := s.engine.Prompts(); len(ps) != 0 {
					s.Errorf("asked again: %+v", ps)
				}
			})
		})
	}
}

func TestADeniedServerAnswersNobody(t *testing.T) {
	for _, p := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
		t.Run(p.String(), func(t *testing.T) {
			w := newWorld(ipv4World)
			story(t, w, func(s *site) {
				c, first := w.calls(p, "server")
				w.enter(first)
				s.wait(time.Second)
				s.expect(c, "held")
				if e := s.log(firewall.ByRule); len(e) != 1 || e[0].Direction != firewall.In || e[0].Program != program("server") {
					s.Errorf("log: %+v", e)
				}
				if ps := s.engine.Prompts(); len(ps) != 0 {
					s.Errorf("asked: %+v", ps)
				}
			}, serverRule(firewall.Block))
		})
	}
}

// Where nobody listens there is nobody to ask about: the system says so itself.
func TestACallToNobodyIsNoQuestion(t *testing.T) {
	for _, p := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
		t.Run(p.String(), func(t *testing.T) {
			w := newWorld(ipv4World)
			story(t, w, func(s *site) {
				c, first := w.calls(p, "")
				w.enter(first)
				s.wait(time.Second)
				if ps := s.engine.Prompts(); len(ps) != 0 {
					s.Errorf("asked: %+v", ps)
				}
				if p == firewall.UDP {
					s.expect(c, "open") // it reached the network stack
				}
			})
		})
	}
}

func TestAReplyIsNoCall(t *testing.T) {
	w := newWorld(ipv4World)
	story(t, w, func(s *site) {
		c := w.sendTo("a", "192.0.2.1:5000", "1")
		s.wait(10 * time.Millisecond)
		back := c.flow
		back.Local, back.Remote = back.Remote, back.Local
		answered := make(chan struct{})
		w.mu.Lock()
		w.answers[c.flow.Local.Port()] = answered
		w.mu.Unlock()
		w.enter(udp(back, []byte("reply")))
		s.wait(10 * time.Millisecond)
		select {
		case <-answered:
		default:
			s.Error("the reply did not arrive")
		}
		if ps := s.engine.Prompts(); len(ps) != 0 {
			s.Errorf("asked: %+v", ps)
		}
	}, rule("a", firewall.Allow))
}
