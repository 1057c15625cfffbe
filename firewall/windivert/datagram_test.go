package windivert

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

func TestADatagramThatIsBlockedIsAnsweredAndCounted(t *testing.T) {
	for _, local := range []string{ipv4World, ipv6World} {
		w := newWorld(local)
		w.orderly = true
		story(t, w, func(s *site) {
			remote := netip.AddrPortFrom(w.destination(0).Addr(), 5000)
			c := w.sendTo("a", remote.String(), "1")
			s.wait(10 * time.Millisecond)
			for range 9 {
				w.leave(udp(c.flow, []byte("more")))
			}
			lines, count := s.log(firewall.ByRule), 0
			for _, l := range lines {
				count += l.Count
			}
			if count != 10 || len(lines) > 2 {
				s.Errorf("%d lines that count %d", len(lines), count)
			}
			if w.left() != 0 || len(w.refused) != 10 {
				s.Errorf("%d left, %d were answered", w.left(), len(w.refused))
			}
		}, rule("a", firewall.Block))
	}
}

func TestOnlyTheFirstDatagramsOfAFlowAreHeld(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		c := w.sendTo("a", "192.0.2.1:5000", "1")
		for _, text := range []string{"2", "3", "4", "5", "6"} {
			w.leave(udp(c.flow, []byte(text)))
		}
		s.answer(firewall.Allow)
		w.leave(udp(c.flow, []byte("7")))
		synctest.Wait()
		sent := ""
		for _, r := range w.arrived {
			p, _ := packet.Parse(r.bytes, firewall.Out)
			sent += string(p.Payload)
		}
		if sent != "12347" {
			s.Errorf("sent %q", sent)
		}
	})
}

// A program that sends and ends at once is still known.
func TestADatagramOutlivesItsSocket(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		c := w.socket(w.start("a"), firewall.UDP, addrPort("192.0.2.1:5000"))
		c.connect(func() {})
		c.close()
		synctest.Wait()
		w.leave(udp(c.flow, nil))
		s.answer(firewall.Allow)
		if w.left() != 1 {
			s.Errorf("%d datagrams left", w.left())
		}
		if e := s.log(firewall.ByAnswer); len(e) != 1 || e[0].Program != program("a") {
			s.Errorf("log: %+v", e)
		}
	})
}

// Neighbour discovery waits for nobody, and a ping is its program's.
func TestTheKernelsOwnTrafficIsTheKernels(t *testing.T) {
	w := newWorld(ipv6World)
	w.orderly = true
	story(t, w, func(s *site) {
		f := firewall.Flow{Protocol: firewall.ICMPv6, Local: netip.AddrPortFrom(w.local, 0), Remote: netip.AddrPortFrom(w.destination(0).Addr(), 0)}
		solicitation, body := ipPacket(f, 24)
		body[0] = 135
		w.leave(solicitation)
		synctest.Wait()
		if w.left() != 1 {
			s.Fatalf("%d packets left", w.left())
		}
		c := w.socket(w.start("ping"), firewall.ICMPv6, f.Remote)
		ping, body := ipPacket(f, 16)
		body[0] = 128
		c.connect(func() { w.leave(ping) })
		s.answer(firewall.Allow)
		if e := s.log(firewall.ByAnswer); w.left() != 2 || len(e) != 1 || e[0].Program != program("ping") {
			s.Errorf("%d packets left, log: %+v", w.left(), e)
		}
		if e := s.log(firewall.ByRule); len(e) != 1 || e[0].Program.Kind != firewall.Kernel {
			s.Errorf("log: %+v", e)
		}
	})
}

// Sockets that are older than the firewall are looked up at once, and again
// now and then, without a packet that waits for it.
func TestAnOldSocketIsLookedUp(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	story(t, w, func(s *site) {
		s.stop()
		c := w.socket(w.start("a"), firewall.UDP, addrPort("192.0.2.1:5000"))
		send := func() { w.leave(udp(c.flow, nil)) }
		s.start()
		send()
		synctest.Wait()
		if w.left() != 1 {
			s.Fatalf("%d datagrams left at once", w.left())
		}
		s.wait(believed + time.Second)
		w.mu.Lock()
		c.pid = w.pid + 4
		w.mu.Unlock()
		w.start("b") // has the socket now
		send()       // passes, and has the system be asked
		s.wait(time.Millisecond)
		send()
		s.wait(time.Millisecond)
		if w.left() != 2 || len(w.refused) != 1 {
			s.Errorf("%d datagrams left, %d were refused", w.left(), len(w.refused))
		}
	}, rule("a", firewall.Allow), rule("b", firewall.Block))
}

// Windows reports a refusal to the socket's next read, whomever that is from.
func TestASocketThatServesOthersHearsOfNoRefusal(t *testing.T) {
	w := newWorld(ipv4World)
	w.orderly = true
	block := rule("a", firewall.Allow)
	block.ID, block.Verdict, block.Port = "blocked", firewall.Block, 6666
	story(t, w, func(s *site) {
		c := w.sendTo("a", "192.0.2.1:5000", "1")
		bad := flowTo(firewall.UDP, c.flow.Local.Port(), "192.0.2.1:6666")
		w.event(eventConnect, bad, c.pid, c.endpoint)
		w.leave(udp(bad, nil))
		s.wait(10 * time.Millisecond)
		if w.left() != 1 || len(w.refused) != 0 {
			s.Errorf("%d datagrams left, %d were refused", w.left(), len(w.refused))
		}
	}, rule("a", firewall.Allow), block)
}
