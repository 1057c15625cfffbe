//go:build linux

package main

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of linux/io_uring.h that one operation needs.
const (
	ringPolled   = 1 << 1 // IORING_SETUP_SQPOLL: a thread of the kernel's makes the calls
	opConnect    = 16
	opSend       = 26
	ringWakeup   = 1 << 1
	ringGet      = 1 << 0
	submitOffset = 0
	entryOffset  = 0x10000000
)

type ringOffsets struct {
	head, tail, mask, entries, flags, dropped, array, _ uint32
	user                                                uint64
}

type completeOffsets struct {
	head, tail, mask, entries, overflow, completions, flags, _ uint32
	user                                                       uint64
}

type ringParameters struct {
	submits, completes, flags, cpu, idle, features, queue uint32
	_                                                     [3]uint32
	submit                                                ringOffsets
	complete                                              completeOffsets
}

type ringEntry struct {
	operation, flags uint8
	priority         uint16
	fd               int32
	offset, address  uint64
	length, special  uint32
	_                [4]uint64
}

// uring does "connect ADDRESS" or "send TEXT" by io_uring.
func uring(rest string, flags uint32) (string, error) {
	verb, what, _ := strings.Cut(rest, " ")
	p := ringParameters{flags: flags, idle: 1000}
	r, _, e := syscall.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return "", e
	}
	defer syscall.Close(int(r))
	size := max(int(p.submit.array+4*p.submits), int(p.complete.completions+16*p.completes))
	ring, err := syscall.Mmap(int(r), submitOffset, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return "", err
	}
	defer syscall.Munmap(ring)
	entries, err := syscall.Mmap(int(r), entryOffset, 64*int(p.submits), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return "", err
	}
	defer syscall.Munmap(entries)
	number := func(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&ring[at])) }

	entry := (*ringEntry)(unsafe.Pointer(&entries[0]))
	entry.fd = int32(socket)
	switch verb {
	case "connect":
		a, err := netip.ParseAddrPort(what)
		if err != nil {
			return "", err
		}
		to := raw4(a)
		entry.operation, entry.address, entry.offset = opConnect, uint64(uintptr(unsafe.Pointer(&to))), unix.SizeofSockaddrInet4
	case "send":
		text := []byte(what)
		entry.operation, entry.address, entry.length = opSend, uint64(uintptr(unsafe.Pointer(&text[0]))), uint32(len(text))
	default:
		return "", errors.New("unknown operation")
	}
	*number(p.submit.array) = 0
	*number(p.submit.tail) = 1
	enter := uint32(ringGet)
	if flags&ringPolled != 0 {
		enter |= ringWakeup
	}
	for *number(p.complete.tail) == 0 {
		if _, _, e = syscall.Syscall6(unix.SYS_IO_URING_ENTER, r, 1, 1, uintptr(enter), 0, 0); e != 0 && e != syscall.EINTR {
			return "", e
		}
	}
	if got := *(*int32)(unsafe.Pointer(&ring[p.complete.completions+8])); got < 0 {
		return "", syscall.Errno(-got)
	}
	return "", nil
}
