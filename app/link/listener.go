package link

import (
	"errors"
	"net"
	"sync"
)

// ErrRunning is returned by [Listen] where another engine serves the address.
var ErrRunning = errors.New("another engine is running")

// maxConnections bounds what one user may have open, so that nobody keeps the
// others out. All users that are not let in share the places of one.
const maxConnections = 256

// conn is a connection that knows its peer.
type conn struct {
	net.Conn
	peer Peer
	done func() // gives the place back
	once sync.Once
}

// Close gives the connection's place to the next one.
func (c *conn) Close() error {
	c.once.Do(c.done)
	return c.Conn.Close()
}

// listener gives connections that know their peer.
type listener struct {
	net.Listener
	access Access
	// name asks the system who opened a connection, and returns it as one that
	// nobody else can use.
	name func(net.Conn) (net.Conn, Peer, error)

	mu   sync.Mutex
	open map[string]int // by user
}

func newListener(l net.Listener, a Access, name func(net.Conn) (net.Conn, Peer, error)) *listener {
	return &listener{Listener: l, access: a, name: name, open: map[string]int{}}
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		own, peer, err := l.name(c)
		if err != nil {
			c.Close()
			continue
		}
		user := peer.User
		if !l.access.letsIn(peer) {
			user = ""
		}
		if !l.enter(user) {
			peer.process.close()
			c.Close()
			continue
		}
		return &conn{Conn: own, peer: peer, done: func() {
			peer.process.close()
			l.leave(user)
		}}, nil
	}
}

func (l *listener) enter(user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[user] >= maxConnections {
		return false
	}
	l.open[user]++
	return true
}

func (l *listener) leave(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[user]--; l.open[user] == 0 {
		delete(l.open, user)
	}
}
