package netfilter

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/cilium/ebpf/link"

	"sallyport.dev/sallyport/firewall"
)

// foundSocket is the kernel's struct found: a socket and who holds it.
type foundSocket struct {
	Program                kernelProgram
	Cookie, Netns, Started uint64
	Pid, Uid               uint32
	Local                  [4]uint32
	Remote                 foundRemote
	LocalPort              uint16
	State, Type            uint8
	Family, Member         uint8
	_                      [2]uint8
	Fd                     uint32
}

type foundRemote struct {
	Address         [4]uint32
	Port            uint16
	Protocol, Stays uint8
}

// TCP states as the kernel numbers them.
const (
	tcpSynSent = 2
	tcpClose   = 7
	tcpListen  = 10
)

// owners finds out who holds sockets.
type owners struct{ sockets *link.Iter }

func newOwners(k *kernelSide) (*owners, error) {
	it, err := link.AttachIter(link.IterOptions{Program: k.Sockets})
	if err != nil {
		return nil, fmt.Errorf("attach the iterator over sockets: %w", err)
	}
	return &owners{it}, nil
}

func (o *owners) close() { o.sockets.Close() }

// list returns every socket of this network namespace with a process that
// holds it.
func (o *owners) list() (found []foundSocket, err error) {
	r, err := o.sockets.Open()
	if err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		var f foundSocket
		if err := binary.Read(in, binary.NativeEndian, &f); err != nil {
			if errors.Is(err, io.EOF) {
				return found, nil
			}
			return found, fmt.Errorf("list sockets: %w", err)
		}
		found = append(found, f)
	}
}

// find returns the holder of the socket with this cookie. Of those who have a
// server's, the one that was started last has it to serve: the others handed it
// on.
func (o *owners) find(cookie uint64, d firewall.Direction) (foundSocket, bool) {
	list, _ := o.list()
	best := -1
	for i, f := range list {
		if f.Cookie != cookie {
			continue
		}
		if best < 0 || f.Member > list[best].Member || d == firewall.In && f.Member == list[best].Member && f.Started > list[best].Started {
			best = i
		}
	}
	if best < 0 {
		return foundSocket{}, false
	}
	return list[best], true
}

func (f *foundSocket) owner() kernelOwner {
	return kernelOwner{Program: f.Program, Pid: f.Pid, Uid: f.Uid, Started: f.Started}
}

func (f *foundSocket) flow() firewall.Flow {
	return firewall.Flow{
		Protocol: firewall.Protocol(f.Remote.Protocol),
		Local:    netip.AddrPortFrom(address(f.Local), f.LocalPort),
		Remote:   netip.AddrPortFrom(address(f.Remote.Address), f.Remote.Port),
	}.Normal()
}
