package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who opened the connection.
func peerOf(c *net.UnixConn) (Peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("name the peer: %w", err)
	}
	var p Peer
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			failed = err
			return
		}
		p.UID, p.PID = int(cred.Uid), int(cred.Pid)
		p.User, p.Admin = strconv.Itoa(p.UID), p.UID == 0
		groups, err := peerGroups(fd)
		if err != nil {
			failed = err
			return
		}
		p.Groups = append(groups, int(cred.Gid))
		p.process, failed = peerProcess(fd)
	})
	if err := errors.Join(err, failed); err != nil {
		return Peer{}, fmt.Errorf("name the peer: %w", err)
	}
	p.look()
	if !p.alive() {
		p.process.close()
		return Peer{}, errors.New("name the peer: it has ended")
	}
	return p, nil
}

// peerGroups reads the supplementary groups that the peer had when it
// connected.
func peerGroups(fd uintptr) ([]int, error) {
	buf := make([]uint32, 64)
	for {
		size := uint32(len(buf) * 4)
		_, _, errno := syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == unix.ERANGE && len(buf) < 1<<16 {
			buf = make([]uint32, len(buf)*8)
			continue
		}
		if errno != 0 {
			return nil, errno
		}
		groups := make([]int, 0, size/4+1)
		for _, g := range buf[:size/4] {
			groups = append(groups, int(g))
		}
		return groups, nil
	}
}

// look fills in what /proc says of the peer now.
func (p *Peer) look() {
	p.Started = startTicks(p.PID)
	p.Program, _ = os.Readlink(proc(p.PID, "exe"))
}
