package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"unsafe"
)

func listenTCP(ip string, port int) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		die("socket: %v", err)
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	var a [4]byte
	copy(a[:], net.ParseIP(ip).To4())
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: a}); err != nil {
		die("bind tcp %s:%d: %v", ip, port, err)
	}
	if err := syscall.Listen(fd, 4096); err != nil {
		die("listen: %v", err)
	}
	return fd
}

func accept(fd int) (int, syscall.Errno) {
	n, _, e := syscall.Syscall6(syscall.SYS_ACCEPT4, uintptr(fd), 0, 0, syscall.SOCK_CLOEXEC, 0, 0)
	return int(n), e
}

// epollShort serves all the short-connection ports: read one byte, write it
// back, close first (so that TIME_WAIT stays on the server's side).
func epollShort(lfds []int) {
	runtime.LockOSThread()
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		die("epoll: %v", err)
	}
	isL := map[int32]bool{}
	for _, fd := range lfds {
		syscall.SetNonblock(fd, true)
		isL[int32(fd)] = true
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
		syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &ev)
	}
	evs := make([]syscall.EpollEvent, 256)
	b := make([]byte, 16)
	for {
		n, err := syscall.EpollWait(ep, evs, -1)
		if err != nil {
			if err == syscall.EINTR {
				continue
			}
			die("epoll_wait: %v", err)
		}
		for _, ev := range evs[:n] {
			if isL[ev.Fd] {
				for {
					fd, e := accept(int(ev.Fd))
					if e != 0 {
						break
					}
					ce := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
					syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &ce)
				}
				continue
			}
			k, _ := sysRead(int(ev.Fd), b)
			if k > 0 {
				sysWrite(int(ev.Fd), b[:1])
			}
			syscall.Close(int(ev.Fd))
		}
	}
}

func serveUDP(ip string, port int, dns bool) {
	runtime.LockOSThread()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		die("socket: %v", err)
	}
	var a [4]byte
	copy(a[:], net.ParseIP(ip).To4())
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1<<20)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: a}); err != nil {
		die("bind udp %d: %v", port, err)
	}
	b := make([]byte, 2048)
	var sa syscall.RawSockaddrInet4
	for {
		sl := uint32(syscall.SizeofSockaddrInet4)
		n, _, e := syscall.Syscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&sl)))
		if e != 0 {
			continue
		}
		out := b[:n]
		if dns && n >= 12 {
			out = dnsAnswer(b, int(n))
		}
		syscall.Syscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&out[0])), uintptr(len(out)), 0, uintptr(unsafe.Pointer(&sa)), uintptr(sl))
	}
}

func dnsQuery(id uint16) []byte {
	q := make([]byte, 12, 64)
	binary.BigEndian.PutUint16(q, id)
	q[2] = 1 // RD
	q[5] = 1 // QDCOUNT
	for _, l := range []string{"host", "example", "test"} {
		q = append(q, byte(len(l)))
		q = append(q, l...)
	}
	return append(q, 0, 0, 1, 0, 1)
}

func dnsAnswer(b []byte, n int) []byte {
	b[2] |= 0x84
	b[3] = 0x80
	b[7] = 1 // ANCOUNT
	a := []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7}
	return append(b[:n], a...)
}

func server(ip string) {
	lfds := []int{}
	for i := 0; i < tcpPorts; i++ {
		lfds = append(lfds, listenTCP(ip, tcpBase+i))
	}
	go epollShort(lfds)
	go serveUDP(ip, udpPort, false)
	go serveUDP(ip, dnsPort, true)
	bl, rl := listenTCP(ip, bulkPort), listenTCP(ip, rxPort)
	go func() { // sink: read all, then answer the byte count
		buf := make([]byte, 1<<20)
		for {
			fd, e := accept(bl)
			if e != 0 {
				continue
			}
			var tot uint64
			for {
				n, e := sysRead(fd, buf)
				if n <= 0 || e != 0 {
					break
				}
				tot += uint64(n)
			}
			var o [8]byte
			binary.LittleEndian.PutUint64(o[:], tot)
			sysWrite(fd, o[:])
			syscall.Close(fd)
		}
	}()
	go func() { // source
		buf := make([]byte, 256<<10)
		for {
			fd, e := accept(rl)
			if e != 0 {
				continue
			}
			for {
				n, e := sysWrite(fd, buf)
				if n <= 0 || e != 0 {
					break
				}
			}
			syscall.Close(fd)
		}
	}()
	fmt.Println("ready")
	select {}
}
