package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// conn is a connection whose every message was sent by the process that opened
// it. Without this, a program could open a connection, keep a copy of it, turn
// into the desktop program by exec, and go on writing through the copy.
type conn struct {
	*net.UnixConn
	peer Peer
	oob  []byte
	done func() // gives the place back
	once sync.Once
}

var errOtherSender = errors.New("the connection is used by another process than the one that opened it")

// Read reads what the peer sent, and fails if someone else sent it.
func (c *conn) Read(b []byte) (int, error) {
	n, oobn, _, _, err := c.ReadMsgUnix(b, c.oob)
	if err != nil {
		return n, err
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(c.oob[:oobn])
	if err != nil {
		return 0, fmt.Errorf("read the sender: %w", err)
	}
	sender := 0
	for _, m := range messages {
		// A message may bring open files along; nobody needs them here.
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			sender = int(cred.Pid)
		}
	}
	if sender != c.peer.PID {
		return 0, errOtherSender
	}
	return n, nil
}

// Close gives the connection's place to the next one.
func (c *conn) Close() error {
	c.once.Do(c.done)
	return c.UnixConn.Close()
}

// maxConnections bounds what one user may have open, so that nobody keeps the
// others out. All users that are not let in share the places of one.
const maxConnections = 256

// listener gives connections that know their peer.
type listener struct {
	*net.UnixListener
	access Access
	mu     sync.Mutex
	open   map[int]int // by user
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		peer, err := peerOf(c)
		if err != nil {
			c.Close()
			continue
		}
		user := peer.UID
		if !l.access.letsIn(peer) {
			user = -1
		}
		if !l.enter(user) {
			peer.process.close()
			c.Close()
			continue
		}
		return &conn{UnixConn: c, peer: peer, oob: make([]byte, 512), done: func() {
			peer.process.close()
			l.leave(user)
		}}, nil
	}
}

func (l *listener) enter(user int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[user] >= maxConnections {
		return false
	}
	l.open[user]++
	return true
}

func (l *listener) leave(user int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[user]--; l.open[user] == 0 {
		delete(l.open, user)
	}
}

// passCredentials makes the kernel send credentials along; accepted
// connections inherit it from the listening socket.
func passCredentials(l *net.UnixListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	return errors.Join(err, failed)
}
