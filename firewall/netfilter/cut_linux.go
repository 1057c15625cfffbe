package netfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"

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

// shutdown ends the connection that a process has open as this descriptor.
func shutdown(pid, fd uint32) error {
	process, err := unix.PidfdOpen(int(pid), 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(process)
	socket, err := unix.PidfdGetfd(process, int(fd), 0)
	if err != nil {
		return fmt.Errorf("get the socket of process %d: %w", pid, err)
	}
	defer unix.Close(socket)
	if err := unix.Shutdown(socket, unix.SHUT_RDWR); err != nil && err != unix.ENOTCONN {
		return fmt.Errorf("shut the socket of process %d down: %w", pid, err)
	}
	return nil
}
