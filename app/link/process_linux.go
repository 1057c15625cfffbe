package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// process stands for a process, not for a number that another process may
// get later.
type process struct{ *os.File }

// soPeerPIDFD is SO_PEERPIDFD, which kernels have from 6.5 on.
const soPeerPIDFD = 77

// peerProcess returns nil, nil where the kernel does not know the option.
func peerProcess(socket uintptr) (*process, error) {
	fd, err := unix.GetsockoptInt(int(socket), unix.SOL_SOCKET, soPeerPIDFD)
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("hold on to the process: %w", err)
	}
	unix.CloseOnExec(fd)
	return &process{os.NewFile(uintptr(fd), "peer")}, nil
}

func (p *process) alive() bool {
	raw, err := p.SyscallConn()
	if err != nil {
		return false
	}
	err = errors.Join(err, raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), 0, nil, 0) }))
	return err == nil || errors.Is(err, unix.EPERM)
}

func (p *process) close() {
	if p != nil {
		p.Close()
	}
}

// proc is a file of a process in /proc.
func proc(pid int, file string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), file)
}

// startTicks reads when a process started, in clock ticks since boot; 0 if it
// is gone.
func startTicks(pid int) uint64 {
	stat, err := os.ReadFile(proc(pid, "stat"))
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

// groupIDs reads the real and the saved group of a process.
func groupIDs(pid int) (real, saved int, err error) {
	text, err := os.ReadFile(proc(pid, "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 5 && f[0] == "Gid:" {
			real, err = strconv.Atoi(f[1])
			if err != nil {
				return 0, 0, err
			}
			saved, err = strconv.Atoi(f[3])
			return real, saved, err
		}
	}
	return 0, 0, errors.New("no groups in " + proc(pid, "status"))
}

// startedSecurely tells whether the dynamic linker took nothing from the
// process's environment (AT_SECURE, number 23 in the auxiliary vector).
func startedSecurely(pid int) bool {
	const atSecure = 23
	vector, err := os.ReadFile(proc(pid, "auxv"))
	if err != nil {
		return false
	}
	const word = strconv.IntSize / 8
	number := func(b []byte) uint64 {
		if word == 4 {
			return uint64(binary.NativeEndian.Uint32(b))
		}
		return binary.NativeEndian.Uint64(b)
	}
	for ; len(vector) >= 2*word; vector = vector[2*word:] {
		if number(vector) == atSecure {
			return number(vector[word:]) != 0
		}
	}
	return false
}

// hidden tells whether a process is not dumpable, so that others of its user
// can neither trace it nor read its memory: the kernel gives its files to root.
func hidden(pid int) bool {
	st, err := os.Lstat(proc(pid, "environ"))
	if err != nil {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Uid == 0
}
