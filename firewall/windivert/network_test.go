package windivert

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// theirs is the number that the other end of a connection begins with.
const theirs = 5000

// network is everybody else: servers that answer, and a resolver.
func (w *world) network(b []byte) {
	p, err := packet.Parse(b, firewall.Out)
	if err != nil || p.Flow.Protocol != firewall.TCP {
		w.mu.Lock()
		w.arrived = append(w.arrived, record{bytes: b})
		w.mu.Unlock()
		if err == nil && p.Flow.Remote == w.resolver {
			w.resolve(p)
		}
		return
	}
	back := p.Flow
	back.Local, back.Remote = back.Remote, back.Local
	s := w.find(p.Flow)
	switch {
	case p.Opens():
		w.enter(segment{flow: back, flags: packet.SYN | packet.ACK, sequence: theirs, confirmed: sequenceOf(p) + 1}.bytes())
	case s != nil && p.TCPFlags == packet.ACK && sequenceOf(p) != s.sequence+1:
		w.enter(segment{flow: back, flags: packet.ACK, sequence: theirs + 1, confirmed: s.sequence + 1}.bytes())
	}
}

// stack is the network stack of this computer.
func (w *world) stack(b []byte) {
	p, err := packet.Parse(b, firewall.In)
	if err != nil {
		return
	}
	switch s := w.find(p.Flow); {
	case p.Flow.Protocol == firewall.ICMP:
		w.mu.Lock()
		w.refused = append(w.refused, b)
		w.mu.Unlock()
	case p.Flow.Protocol == firewall.UDP:
		w.mu.Lock()
		if answered := w.answers[p.Flow.Local.Port()]; answered != nil {
			close(answered)
			delete(w.answers, p.Flow.Local.Port())
		}
		w.mu.Unlock()
	case s == nil:
	case p.TCPFlags&packet.SYN != 0:
		s.finish(nil)
		w.leave(segment{flow: s.flow, flags: packet.ACK, sequence: s.sequence + 1, confirmed: theirs + 1}.bytes())
	case p.TCPFlags&packet.RST != 0:
		s.reset(p)
	}
}

// reset takes a reset that counts: it confirms what was sent, or has the number
// that comes next.
func (s *socket) reset(p packet.Packet) {
	s.mu.Lock()
	counts, again := s.open && sequenceOf(p) == theirs+1, false
	if !s.open && s.err == nil && confirmedOf(p) == s.sequence+1 {
		s.resets++
		counts, again = true, s.resets < 3 // Windows tries three times
	}
	s.mu.Unlock()
	switch {
	case again:
		time.AfterFunc(20*time.Millisecond, s.knock)
	case counts:
		s.finish(errors.New("connection refused"))
		s.close()
	}
}

// resolve answers a DNS question.
func (w *world) resolve(p packet.Packet) {
	var m dnsmessage.Message
	if m.Unpack(p.Payload) != nil || len(m.Questions) == 0 {
		return
	}
	name := m.Questions[0].Name
	w.mu.Lock()
	addr := w.hosts[name.String()]
	w.mu.Unlock()
	h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}
	r := dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte(addr.AsSlice()[:4])}}
	if addr.Is6() {
		r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
	}
	m.Response, m.Answers = true, []dnsmessage.Resource{r}
	message, err := m.Pack()
	if err != nil {
		return
	}
	back := p.Flow
	back.Local, back.Remote = back.Remote, back.Local
	w.enter(udp(back, message))
}

// udp builds a datagram.
func udp(f firewall.Flow, payload []byte) []byte {
	f.Protocol = firewall.UDP
	b, datagram := ipPacket(f, 8+len(payload))
	binary.BigEndian.PutUint16(datagram, f.Local.Port())
	binary.BigEndian.PutUint16(datagram[2:], f.Remote.Port())
	binary.BigEndian.PutUint16(datagram[4:], uint16(len(datagram)))
	copy(datagram[8:], payload)
	return b
}

// ask has the computer's resolver service ask for a name, and waits until the
// answer has come.
func (w *world) ask(host string, done <-chan struct{}) error {
	s := w.socket(w.start("resolving"), firewall.UDP, w.resolver)
	answered := make(chan struct{})
	w.mu.Lock()
	w.answers[s.flow.Local.Port()] = answered
	w.mu.Unlock()
	kind := dnsmessage.TypeA
	if w.local.Is6() {
		kind = dnsmessage.TypeAAAA
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(s.sequence), RecursionDesired: true}}
	m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName(host + "."), Type: kind, Class: dnsmessage.ClassINET}}
	message, err := m.Pack()
	if err != nil {
		return err
	}
	s.connect(func() { w.leave(udp(s.flow, message)) })
	defer s.close()
	select {
	case <-answered:
		return nil
	case <-done:
		return errors.New("no answer")
	}
}
