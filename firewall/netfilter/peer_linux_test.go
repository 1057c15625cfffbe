package netfilter_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

const (
	echoPort   = 7000 // TCP (MPTCP), UDP, UDP-Lite
	markerPort = 7999 // UDP: see world.see
	httpPort   = 80   // /hello, and /endless which never ends
	dnsPort    = 53   // every name is the peer
)

// sighting counts the packets that reached the peer, by "PROTOCOL PORT"; those
// of TCP that open no connection are of the protocol "segment".
type sighting map[string]int

type witness struct {
	mu      sync.Mutex
	changed *sync.Cond
	seen    sighting
	markers map[string]bool
}

func peerRole() error {
	if err := linkUp("lo"); err != nil {
		return err
	}
	w := &witness{seen: sighting{}, markers: map[string]bool{}}
	w.changed = sync.NewCond(&w.mu)
	capture, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(bigEndian(unix.ETH_P_ALL)))
	if err != nil {
		return fmt.Errorf("open the capture: %w", err)
	}
	go w.capture(capture)
	for _, start := range []func() error{serveEcho, serveUDP("udp", serveEchoPacket, echoPort), serveUDP("udp", serveDNS, dnsPort), serveHTTP, serveUDPLite} {
		if err := start(); err != nil {
			return err
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.Encode(sighting{})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		verb, what, _ := strings.Cut(lines.Text(), " ")
		if verb == "open" || verb == "throw" {
			if err := openFrom(verb == "throw", what); err != nil {
				return err
			}
		}
		w.mu.Lock()
		for verb == "seen" && !w.markers[what] || verb == "await" && w.seen[what] == 0 {
			w.changed.Wait()
		}
		out.Encode(w.seen)
		w.mu.Unlock()
	}
	return nil
}

func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

func (w *witness) capture(fd int) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			continue
		}
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		p, err := packet.Parse(b[:n], firewall.In)
		if err != nil {
			continue
		}
		protocol := p.Flow.Protocol.String()
		if p.Flow.Protocol == firewall.TCP && !p.Opens() {
			protocol = "segment"
		}
		if p.ICMPType != 0 && p.ICMPType != 8 && p.ICMPType != 128 {
			continue // errors and neighbour discovery
		}
		w.mu.Lock()
		if p.Flow.Local.Port() == markerPort {
			w.markers[string(p.Payload)] = true
		} else {
			w.seen[fmt.Sprintf("%s %d", protocol, p.Flow.Local.Port())]++
		}
		w.changed.Broadcast()
		w.mu.Unlock()
	}
}

// openFrom begins a connection from one address to another and does not wait,
// or throws a datagram.
func openFrom(datagram bool, text string) error {
	from, to, _ := strings.Cut(text, " ")
	at, err := netip.ParseAddrPort(from)
	if err != nil {
		return err
	}
	target, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	kind := syscall.SOCK_STREAM
	if datagram {
		kind = syscall.SOCK_DGRAM
	}
	fd, err := syscall.Socket(syscall.AF_INET, kind|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return fmt.Errorf("bind %v: %w", at, err)
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Addr: target.Addr().As4(), Port: int(target.Port())})
	if err == nil && datagram {
		_, err = syscall.Write(fd, []byte("thrown"))
	}
	if err != nil && err != syscall.EINPROGRESS {
		return fmt.Errorf("connect to %v: %w", target, err)
	}
	return nil
}

func serveEcho() error {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", echoPort)) // MPTCP too
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return nil
}

func serveHTTP() error {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", httpPort))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello\n") })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 4<<10)
		for err := error(nil); err == nil; {
			_, err = w.Write(chunk)
		}
	})
	go http.Serve(l, mux)
	return nil
}

func serveUDP(network string, answer func([]byte) []byte, port int) func() error {
	return func() error {
		c, err := net.ListenPacket(network, fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		go func() {
			b := make([]byte, 64<<10)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					continue // a refusal by a client that is gone
				}
				if a := answer(b[:n]); a != nil {
					c.WriteTo(a, from)
				}
			}
		}()
		return nil
	}
}

func serveEchoPacket(b []byte) []byte { return b }

// serveDNS answers every name with the peer's address.
func serveDNS(b []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
	switch q.Type {
	case dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: netip.MustParseAddr(peerAddr).As4()}}}
	case dnsmessage.TypeAAAA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(peerAddr6).As16()}}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// serveUDPLite echoes UDP-Lite datagrams, which package net does not know.
func serveUDPLite() error {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, int(firewall.UDPLite))
	if err != nil {
		return fmt.Errorf("open the UDP-Lite server: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet6{Port: echoPort}); err != nil {
		return fmt.Errorf("bind the UDP-Lite server: %w", err)
	}
	go func() {
		b := make([]byte, 64<<10)
		for {
			if n, from, err := syscall.Recvfrom(fd, b, 0); err == nil {
				syscall.Sendto(fd, b[:n], 0, from)
			}
		}
	}()
	return nil
}
