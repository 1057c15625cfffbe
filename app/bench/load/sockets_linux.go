package main

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

func addr4(ip string, port int) syscall.RawSockaddrInet4 {
	p := net.ParseIP(ip).To4()
	if p == nil {
		die("not an IPv4 address: %q", ip)
	}
	var sa syscall.RawSockaddrInet4
	sa.Family = syscall.AF_INET
	sa.Port = uint16(port>>8) | uint16(port&0xff)<<8
	copy(sa.Addr[:], p)
	return sa
}

func sysConnect(fd int, sa *syscall.RawSockaddrInet4) syscall.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(sa)), syscall.SizeofSockaddrInet4)
	return e
}

func sysRead(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.Syscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), e
}

func sysWrite(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.Syscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), e
}

func setTimeouts(fd int, d time.Duration) {
	tv := syscall.NsecToTimeval(d.Nanoseconds())
	syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv)
	syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv)
}
