package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Listen opens the socket for those that the access lets in. Its folder is
// made root:group 0750 if it does not exist, 0700 without a group. A socket
// that nobody serves any more is replaced.
func Listen(path string, a Access) (net.Listener, error) {
	if len(path) > 107 {
		return nil, fmt.Errorf("open socket %s: the path is longer than the 107 bytes that the system permits", path)
	}
	if err := makeFolder(filepath.Dir(path), a); err != nil {
		return nil, err
	}
	// A lock, not the socket, tells whether an engine is alive: two engines
	// that start at once must not both find the socket stale.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open socket %s: %w", path, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w on %s", ErrRunning, path)
	}
	if served(path) {
		lock.Close()
		return nil, fmt.Errorf("%w on %s", ErrRunning, path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
		lock.Close()
		return nil, fmt.Errorf("open socket %s: a file that is not a socket is in the way", path)
	}
	os.Remove(path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open socket %s: %w", path, err)
	}
	err = errors.Join(os.Chmod(path, a.mode(0o666)), os.Chown(path, -1, a.GID), passCredentials(l))
	if err != nil {
		l.Close()
		lock.Close()
		return nil, fmt.Errorf("open socket %s: %w", path, err)
	}
	return &lockedListener{newListener(l, a, nameUnix), lock}, nil
}

// lockedListener gives its lock back when it is closed.
type lockedListener struct {
	*listener
	lock *os.File
}

func (l *lockedListener) Close() error {
	err := l.listener.Close()
	l.lock.Close()
	return err
}

func served(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// mode cuts a file's mode down to what those who are let in need to pass by
// the file system. The peer is checked in any case.
func (a Access) mode(full os.FileMode) os.FileMode {
	switch {
	case a.UID > 0:
		return full
	case a.GID >= 0:
		return full &^ 0o007
	}
	return full &^ 0o077
}

func makeFolder(dir string, a Access) error {
	if _, err := os.Stat(dir); err == nil && dir != DefaultFolder {
		return nil
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = errors.Join(os.Chmod(dir, a.mode(0o751)), os.Chown(dir, 0, max(a.GID, 0)))
	}
	if err != nil {
		return fmt.Errorf("make the socket's folder: %w", err)
	}
	return nil
}

// GroupID returns the number of a group, or -1 if the system has none of this
// name.
func GroupID(name string) int {
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return -1
	}
	return gid
}
