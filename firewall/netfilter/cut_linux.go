package netfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

const (
	sockDestroy = 21 // SOCK_DESTROY of linux/sock_diag.h
	anyState    = 0xfff
)

// cutter ends sockets, so that their programs see an error at once.
type cutter struct{ conn *netlink.Conn }

func newCutter() (*cutter, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, fmt.Errorf("open the socket list: %w", err)
	}
	return &cutter{conn}, nil
}

// cut ends the socket with this cookie and flow.
func (c *cutter) cut(f firewall.Flow, cookie uint64) error {
	request := make([]byte, 56) // struct inet_diag_req_v2
	request[0] = unix.AF_INET
	if f.Remote.Addr().Is6() {
		request[0] = unix.AF_INET6
	}
	request[1] = byte(f.Protocol)
	binary.NativeEndian.PutUint32(request[4:], anyState)
	binary.BigEndian.PutUint16(request[8:], f.Local.Port())
	binary.BigEndian.PutUint16(request[10:], f.Remote.Port())
	copy(request[12:28], addressBytes(f.Local.Addr()))
	copy(request[28:44], addressBytes(f.Remote.Addr()))
	binary.NativeEndian.PutUint32(request[48:], uint32(cookie))
	binary.NativeEndian.PutUint32(request[52:], uint32(cookie>>32))
	_, err := c.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
		Data:   request,
	})
	if err != nil {
		return fmt.Errorf("end the socket of %v: %w", f.Remote, err)
	}
	return nil
}

func addressBytes(a netip.Addr) []byte { return a.AsSlice() }

// opened gets at a socket that a process has open as this descriptor.
func opened(pid, fd uint32) (socket int, err error) {
	process, err := unix.PidfdOpen(int(pid), 0)
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(process)
	if socket, err = unix.PidfdGetfd(process, int(fd), 0); err != nil {
		return -1, fmt.Errorf("get the socket of process %d: %w", pid, err)
	}
	return socket, nil
}

// disconnect ends the connection that a process has open as this descriptor:
// both ends see an error, save a program that waits in the very system call
// that reads, which sees the end.
func disconnect(pid, fd uint32) error {
	socket, err := opened(pid, fd)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	var nowhere [unix.SizeofSockaddrInet4]byte // of the family AF_UNSPEC
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(socket), uintptr(unsafe.Pointer(&nowhere)), uintptr(len(nowhere)))
	if e == 0 {
		return nil
	}
	// Some kernels do not disconnect while somebody waits.
	if err := unix.Shutdown(socket, unix.SHUT_RDWR); err != nil && err != unix.ENOTCONN {
		return fmt.Errorf("shut the socket of process %d down: %w", pid, err)
	}
	return nil
}

// hearingFor is longer than the kernel takes to return a refusal to its sender.
const hearingFor = 100 * time.Millisecond

// hearRefusal has a datagram socket, which may not be connected, report what
// becomes of the next datagrams.
func hearRefusal(pid, fd uint32) error {
	socket, err := opened(pid, fd)
	if err != nil {
		return err
	}
	hearing := func(on int) {
		unix.SetsockoptInt(socket, unix.SOL_IP, unix.IP_RECVERR, on)
		unix.SetsockoptInt(socket, unix.SOL_IPV6, unix.IPV6_RECVERR, on)
	}
	if on, err := unix.GetsockoptInt(socket, unix.SOL_IP, unix.IP_RECVERR); err != nil || on != 0 {
		unix.Close(socket)
		return err
	}
	hearing(1)
	time.AfterFunc(hearingFor, func() {
		hearing(0)
		unix.Close(socket)
	})
	return nil
}

// refuse drops packets so that their program sees an error at once.
func (r *run) refuse(f *heldFlow, packets []uint32) {
	cut, udp, many := false, false, false
	switch f.attempt.Protocol {
	case firewall.TCP:
		cut = r.cutter.cut(f.attempt.Flow, f.key.Cookie) == nil
	case firewall.UDP, firewall.UDPLite:
		// Not an unconnected socket that also serves others.
		var o kernelOwner
		udp, many = true, r.kernel.Owners.Lookup(&f.key.Cookie, &o) != nil || o.Flags&ownerMany != 0
		if !many {
			cut = r.cutter.cut(f.attempt.Flow, f.key.Cookie) == nil
		}
	}
	if !cut && udp && !many {
		// The kernel ends no sockets of UDP-Lite, but can tell them.
		if found, ok := r.owners.find(f.key.Cookie, f.attempt.Direction); ok {
			if err := hearRefusal(found.Pid, found.Fd); err != nil {
				r.log.Warn("tell a program that its datagram is blocked", "error", err)
			}
		}
	}
	if !cut {
		r.reject(packets)
		return
	}
	for _, id := range packets {
		r.drop(id)
	}
}

// reject drops packets and has the kernel tell their socket.
func (r *run) reject(packets []uint32) {
	for _, id := range packets {
		if err := r.queue.SetVerdictWithOption(id, nfqueue.NfRepeat, nfqueue.WithMark(rejectMark)); err != nil {
			r.log.Warn("reject a held packet", "error", err)
		}
	}
}
