package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
		groups, err := peerGroups(fd)
		if err != nil {
			failed = err
			return
		}
		p.Groups = append(groups, int(cred.Gid))
	})
	if err := errors.Join(err, failed); err != nil {
		return Peer{}, fmt.Errorf("name the peer: %w", err)
	}
	p.look()
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

// look fills in what /proc says of the peer now. What cannot be read stays at
// its zero value, which permits nothing.
func (p *Peer) look() {
	proc := filepath.Join("/proc", strconv.Itoa(p.PID))
	p.Started = startTicks(p.PID)
	p.Program, _ = os.Readlink(filepath.Join(proc, "exe"))
	p.Own, p.Hidden = false, false
	theirs, err := os.Stat(filepath.Join(proc, "exe"))
	if err != nil {
		return
	}
	ours, err := os.Stat("/proc/self/exe")
	if err != nil {
		return
	}
	p.Own = os.SameFile(theirs, ours)
	// The kernel gives the files of a process that is not dumpable to root.
	if st, err := os.Lstat(filepath.Join(proc, "environ")); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			p.Hidden = sys.Uid == 0 && p.UID != 0
		}
	}
}

// startTicks reads when a process started, in clock ticks since boot; 0 if it
// is gone.
func startTicks(pid int) uint64 {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces and parentheses itself.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return 0
	}
	ticks, _ := strconv.ParseUint(fields[19], 10, 64)
	return ticks
}

// Hide makes this process not dumpable: other processes of the same user can
// then neither trace it nor open its files in /proc. The engine asks it of the
// desktop program.
func Hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("become not dumpable: %w", err)
	}
	return nil
}
