package windivert

import (
	"errors"
	"net/netip"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// layer is a WinDivert layer; the numbers are the driver's.
type layer uint8

const (
	layerNetwork layer = 0
	layerSocket  layer = 3
)

// Flags for [driver]'s open; the numbers are the driver's.
const (
	flagSniff       = 0x1
	flagDrop        = 0x2
	flagReceiveOnly = 0x4
)

// addressSize is the size of the driver's WINDIVERT_ADDRESS, in bytes.
const addressSize = 80

// address is the driver's WINDIVERT_ADDRESS, as it came: a packet is sent
// again with the address that it was captured with.
type address [addressSize]byte

// errDrained is receive's error after shutdown, once nothing waits any more.
var errDrained = errors.New("the handle is shut down and nothing waits in it")

// driver opens handles.
type driver interface {
	// open opens a handle, and installs and starts the driver if it does not
	// run. The error says what the person can do.
	open(filter string, l layer, priority int16, flags uint64) (handle, error)
}

// handle is an open handle of the driver. receive is called by one goroutine
// at a time, everything else from any.
type handle interface {
	// receive waits for a packet or a socket event and copies it to buffer,
	// which has at least 65,575 bytes; a socket event has no bytes. It returns
	// errDrained in the end, and another error if the driver is lost.
	receive(buffer []byte) (n int, a address, err error)
	// send injects a packet; it keeps nothing of it.
	send(packet []byte, a address) error
	// shutdown captures nothing more; receive returns what waits already.
	shutdown() error
	close() error
}

// connection is a row of the system's tables of connections and listeners.
type connection struct {
	firewall.Flow // a listener has no remote; In is what came from outside
	pid           uint32
	listening     bool
}

// system is what the backend asks the operating system, off the path of
// packets.
type system interface {
	// owner looks a flow up in the system's tables of connections. ok is false
	// if there is no socket for it, pid is 0 if there is one and it cannot be
	// told whose.
	owner(f firewall.Flow) (pid uint32, ok bool)
	// connections lists all connections and listeners.
	connections() ([]connection, error)
	// identify says which program a process is, when it started and whose it
	// is. seen is when the process was met: a process that started later is
	// another one with the same number.
	identify(pid uint32, f firewall.Flow, seen time.Time) (r process.Running, uid int)
	// cut ends an established TCP connection.
	cut(f firewall.Flow) error
	// resolvers lists the configured DNS resolvers.
	resolvers() []netip.Addr
}
