//go:build linux

package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// options are what "set" knows; their values are numbers, of "device" a name.
var options = map[string][2]int{
	"freebind6":    {unix.SOL_IPV6, unix.IPV6_FREEBIND},
	"freebind4":    {unix.SOL_IP, unix.IP_FREEBIND},
	"transparent4": {unix.SOL_IP, unix.IP_TRANSPARENT},
	"transparent6": {unix.SOL_IPV6, unix.IPV6_TRANSPARENT},
	"broadcast":    {unix.SOL_SOCKET, unix.SO_BROADCAST},
	"reuseport":    {unix.SOL_SOCKET, unix.SO_REUSEPORT},
	"mark":         {unix.SOL_SOCKET, unix.SO_MARK},
	"fastopen":     {unix.SOL_TCP, unix.TCP_FASTOPEN_CONNECT},
	"segment":      {unix.SOL_UDP, unix.UDP_SEGMENT},
	"headers4":     {unix.SOL_IP, unix.IP_HDRINCL},
	"nonblocking":  {},
	"device":       {unix.SOL_SOCKET, unix.SO_BINDTODEVICE},
}

func set(rest string) error {
	name, value, _ := strings.Cut(rest, " ")
	o, ok := options[name]
	if !ok {
		return fmt.Errorf("unknown option %q", name)
	}
	switch name {
	case "device":
		return unix.SetsockoptString(socket, o[0], o[1], value)
	case "nonblocking":
		return unix.SetNonblock(socket, value != "0")
	}
	n, err := strconv.ParseInt(value, 0, 64)
	if err != nil {
		return err
	}
	return unix.SetsockoptInt(socket, o[0], o[1], int(n))
}

// more are the commands that only attackers and few others need.
var more = map[string]func(rest string) (text string, err error){
	"set": func(rest string) (string, error) { return "", set(rest) },
	// Nothing of the program's own file is read any more.
	"stay": func(string) (string, error) { return "", unix.Mlockall(unix.MCL_CURRENT) },
	"disconnect": func(string) (string, error) {
		nowhere := [16]byte{}
		_, _, e := syscall.Syscall(unix.SYS_CONNECT, uintptr(socket), uintptr(unsafe.Pointer(&nowhere)), 16)
		if e != 0 {
			return "", e
		}
		return "", nil
	},
	"fastopen": func(rest string) (string, error) {
		where, text, _ := strings.Cut(rest, " ")
		to, err := address(where)
		if err == nil {
			err = syscall.Sendto(socket, []byte(text), unix.MSG_FASTOPEN, to)
		}
		return "", err
	},
	"mmsg":    mmsg,
	"uring":   func(rest string) (string, error) { return uring(rest, 0) },
	"sqpoll":  func(rest string) (string, error) { return uring(rest, ringPolled) },
	"give":    give,
	"take":    take,
	"packet4": func(rest string) (string, error) { return "", rawPacket(rest, false) },
	"packet6": func(rest string) (string, error) { return "", rawPacket(rest, true) },
	"listen":  func(string) (string, error) { return "", syscall.Listen(socket, 8) },
	"accept": func(string) (string, error) {
		fd, _, err := syscall.Accept(socket)
		if err == nil {
			socket = fd
		}
		return "", err
	},
	"adopt": func(rest string) (string, error) {
		fd, err := strconv.Atoi(rest)
		socket = fd
		return "", err
	},
	// exec becomes another program, which keeps the socket.
	"exec": func(rest string) (string, error) {
		if _, err := unix.FcntlInt(uintptr(socket), unix.F_SETFD, 0); err != nil {
			return "", err
		}
		return "", syscall.Exec(rest, []string{rest, "adopt " + strconv.Itoa(socket)}, os.Environ())
	},
	// vanish becomes a program that is no file: a copy in memory.
	"vanish": func(path string) (string, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fd, err := unix.MemfdCreate("vanished", 0)
		if err != nil {
			return "", err
		}
		if _, err := unix.Write(fd, b); err != nil {
			return "", err
		}
		return "", syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), []string{"vanished", "adopt -1"}, os.Environ())
	},
	"sendbig": func(rest string) (string, error) {
		n, err := strconv.Atoi(rest)
		if err == nil {
			_, err = syscall.Write(socket, make([]byte, n))
		}
		return "", err
	},
	// follow is drain for a program that waits before it reads.
	"follow": func(string) (string, error) {
		b := make([]byte, 64<<10)
		for {
			waiting := []unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN}}
			if _, err := unix.Poll(waiting, 10000); err != nil && err != unix.EINTR {
				return "", err
			}
			switch n, err := syscall.Read(socket, b); {
			case err == syscall.EINTR || err == syscall.EAGAIN:
			case n <= 0:
				return "", err
			}
		}
	},
	"name": func(string) (string, error) {
		at, err := unix.Getsockname(socket)
		switch a := at.(type) {
		case *unix.SockaddrInet4:
			return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String(), err
		case *unix.SockaddrInet6:
			return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String(), err
		}
		return "", err
	},
}

type mmsgHeader struct {
	unix.Msghdr
	sent uint32
	_    [4]byte
}

// mmsg sends one byte to each of several IPv4 addresses in one call.
func mmsg(rest string) (string, error) {
	fields := strings.Fields(rest)
	messages := make([]mmsgHeader, len(fields))
	names := make([]unix.RawSockaddrInet4, len(fields))
	letter := []byte("x")
	vector := unix.Iovec{Base: &letter[0], Len: 1}
	for i, f := range fields {
		a, err := netip.ParseAddrPort(f)
		if err != nil {
			return "", err
		}
		names[i] = raw4(a)
		messages[i].Name, messages[i].Namelen = (*byte)(unsafe.Pointer(&names[i])), unix.SizeofSockaddrInet4
		messages[i].Iov, messages[i].Iovlen = &vector, 1
	}
	n, _, e := syscall.Syscall6(unix.SYS_SENDMMSG, uintptr(socket), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
	if e != 0 {
		return "", e
	}
	return strconv.Itoa(int(n)), nil
}

func raw4(a netip.AddrPort) unix.RawSockaddrInet4 {
	return unix.RawSockaddrInet4{Family: unix.AF_INET, Port: a.Port()<<8 | a.Port()>>8, Addr: a.Addr().As4()}
}

// rawPacket sends a whole IP packet, given as ADDRESS HEX.
func rawPacket(rest string, six bool) error {
	where, text, _ := strings.Cut(rest, " ")
	b, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(where)
	if err != nil {
		return err
	}
	family, to := unix.AF_INET, syscall.Sockaddr(nil)
	if six {
		family, to = unix.AF_INET6, &syscall.SockaddrInet6{Addr: a.As16()}
	} else {
		to = &syscall.SockaddrInet4{Addr: a.As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	return syscall.Sendto(fd, b, 0, to) // a socket that is closed would have given up
}

// give sends the socket to the program that takes it at a path.
func give(path string) (string, error) {
	c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(c)
	return "", unix.Sendmsg(c, []byte("x"), unix.UnixRights(socket), &unix.SockaddrUnix{Name: path}, 0)
}

var taking *net.UnixConn

// take first opens the path; called again it waits for the socket.
func take(path string) (_ string, err error) {
	if taking == nil {
		taking, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		return "", err
	}
	defer func() { taking.Close(); taking = nil }()
	b, oob := make([]byte, 1), make([]byte, 64)
	_, n, _, _, err := taking.ReadMsgUnix(b, oob)
	if err != nil {
		return "", err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return "", fmt.Errorf("no socket came: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err == nil {
		socket = fds[0]
	}
	return "", err
}
