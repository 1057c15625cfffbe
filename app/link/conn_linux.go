package link

import (
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// ownConn is a connection whose every message was sent by the process that
// opened it. Without this, a program could open a connection, keep a copy of
// it, turn into the desktop program by exec, and go on writing through the copy.
type ownConn struct {
	*net.UnixConn
	pid int
	oob []byte
}

var errOtherSender = errors.New("the connection is used by another process than the one that opened it")

// Read reads what the peer sent, and fails if someone else sent it.
func (c *ownConn) Read(b []byte) (int, error) {
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
	if sender != c.pid {
		return 0, errOtherSender
	}
	return n, nil
}

// nameUnix names the peer of an accepted connection.
func nameUnix(c net.Conn) (net.Conn, Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, Peer{}, fmt.Errorf("name the peer: %T is no Unix socket", c)
	}
	peer, err := peerOf(u)
	if err != nil {
		return nil, Peer{}, err
	}
	return &ownConn{UnixConn: u, pid: peer.PID, oob: make([]byte, 512)}, peer, nil
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
