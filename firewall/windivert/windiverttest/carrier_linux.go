package windiverttest

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"
)

// patience is how long the program in Wine may take to call.
const patience = time.Minute

// carrier takes the packets of the client's programs from the queue to the
// driver, and what leaves the driver to where it goes.
type carrier struct {
	listener net.Listener
	raw      int // sends as the server
	queue    *nfqueue.Nfqueue
	line     *Line

	mu      sync.Mutex
	waiting map[string][]uint32 // numbers of the packets in the queue
}

// Address is where the program in Wine calls, from the client's namespace.
func (n *Network) Address() string { return n.listener.Addr().String() }

// Join waits until the program in Wine calls; from then on packets are carried.
func (n *Network) Join() {
	n.Helper()
	n.listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := n.listener.Accept()
	if err != nil {
		n.Fatalf("the program in Wine does not call: %v", err)
	}
	n.line = NewLine(conn)
	n.Cleanup(func() { n.line.Close() })
	ctx, stop := context.WithCancel(context.Background())
	n.Cleanup(stop)
	if err := n.queue.RegisterWithErrorFunc(ctx, n.queued, func(error) int { return 0 }); err != nil {
		n.Fatal(err)
	}
	go n.listen()
}

// queued hands a packet of a program to the driver.
func (n *Network) queued(a nfqueue.Attribute) int {
	n.mu.Lock()
	n.waiting[string(*a.Payload)] = append(n.waiting[string(*a.Payload)], *a.PacketID)
	n.mu.Unlock()
	n.Say(Message{Kind: "packet", Packet: *a.Payload})
	return 0
}

// Say sends a message to the program in Wine, if one has joined.
func (n *Network) Say(m Message) {
	if n.line != nil {
		n.line.Say(m) // who waits for an answer learns that the line has ended
	}
}

// listen carries what leaves the driver to where it goes.
func (n *Network) listen() {
	for {
		m, err := n.line.Next()
		if err != nil {
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
