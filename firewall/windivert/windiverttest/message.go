package windiverttest

import (
	"encoding/json"
	"net"
	"net/netip"
	"sync"
)

// Message goes between a [Network] and the program in Wine that carries its
// packets.
type Message struct {
	// Kind is "packet" (of a program, on its way out), "connect" or "close" (of
	// a socket) on the way to Wine, and "out" or "in" (a packet that leaves the
	// driver) on the way back.
	Kind     string
	Packet   []byte
	PID      uint32 // of a socket, as Windows counts
	From, To netip.AddrPort
}

// Line is a connection that carries messages. Any goroutine may say something,
// one listens.
type Line struct {
	conn net.Conn
	in   *json.Decoder

	mu  sync.Mutex
	out *json.Encoder
}

// NewLine makes a line of a connection.
func NewLine(c net.Conn) *Line {
	return &Line{conn: c, in: json.NewDecoder(c), out: json.NewEncoder(c)}
}

// Say sends a message.
func (l *Line) Say(m Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Encode(m)
}

// Next waits for a message.
func (l *Line) Next() (m Message, err error) {
	err = l.in.Decode(&m)
	return m, err
}

// Close ends the line, for both.
func (l *Line) Close() error { return l.conn.Close() }
