package windivert

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
	"sallyport.dev/sallyport/firewall/process"
	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
)

// world is a computer in memory, with WinDivert, its network stack and the
// network that it is on. Events and packets reach the driver in no order.
type world struct {
	driver   *memoryDriver
	guard    guard                 // nil: no rules outlive a process
	divert   func([]byte, address) // takes packets and events instead of driver, unless nil
	local    netip.Addr
	resolver netip.AddrPort
	orderly  bool // events come at once, before their packets
	mute     bool // events of new sockets do not come
	// identifies knows the processes of another computer; nil: they are this one's.
	identifies func(uint32, firewall.Flow, time.Time) (process.Running, int)

	mu        sync.Mutex
	port      uint16
	pid       uint32
	endpoint  uint64
	processes map[uint32]runningProcess
	sockets   map[firewall.Flow]*socket
	files     map[string]*programFile // of programs, by path; others have none
	hosts     map[string]netip.Addr   // what the resolver answers
	answers   map[uint16]chan struct{}
	arrived   []record // what left the computer, save TCP
	refused   [][]byte // what ICMP said here
}

type runningProcess struct {
	program firewall.Program
	started time.Time
	runs    *firewall.Program // where it is an interpreter
}

// socket is one end of a TCP connection, or sends datagrams.
type socket struct {
	world    *world
	flow     firewall.Flow
	pid      uint32
	endpoint uint64
	sequence uint32

	told    sync.Once // the driver of its connect
	mu      sync.Mutex
	done    chan struct{} // connected or refused
	err     error
	open    bool
	ended   chan struct{} // closed when the connection is cut or closed
	closing sync.Once
	syns    int // segments sent to open it, and sent again
	resets  int // answers to them
}

const ipv4World, ipv6World = "10.0.0.2", "fd00::2"

func newWorld(local string) *world {
	w := &world{
		local: netip.MustParseAddr(local), port: 40000, pid: 1000,
		processes: map[uint32]runningProcess{}, sockets: map[firewall.Flow]*socket{},
		hosts: map[string]netip.Addr{}, answers: map[uint16]chan struct{}{},
	}
	w.resolver = netip.MustParseAddrPort("10.0.0.53:53")
	if w.local.Is6() {
		w.resolver = netip.MustParseAddrPort("[fd00::53]:53")
	}
	w.driver = &memoryDriver{world: w}
	return w
}

func (w *world) destination(n int) netip.AddrPort {
	if w.local.Is6() {
		return netip.AddrPortFrom(netip.MustParseAddr([]string{"2001:db8::1", "2001:db8::2"}[n]), 443)
	}
	return netip.AddrPortFrom(netip.MustParseAddr([]string{"192.0.2.1", "192.0.2.2"}[n]), 443)
}

func program(name string) firewall.Program {
	return firewall.Program{Kind: firewall.Executable, Path: `C:\Programs\` + name + ".exe"}
}

// start runs a program and returns the process's number.
func (w *world) start(name string) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pid += 4
	w.processes[w.pid] = runningProcess{program: program(name), started: time.Now()}
	return w.pid
}

func (w *world) socket(pid uint32, p firewall.Protocol, remote netip.AddrPort) *socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.port++
	w.endpoint++
	s := &socket{
		world: w, pid: pid, endpoint: w.endpoint, sequence: rand.Uint32(),
		flow: firewall.Flow{Protocol: p, Local: netip.AddrPortFrom(w.local, w.port), Remote: remote},
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	w.sockets[s.flow] = s
	return s
}

// dial opens a TCP connection; the socket's done tells when it is open or
// refused.
func (w *world) dial(pid uint32, remote netip.AddrPort) *socket {
	s := w.socket(pid, firewall.TCP, remote)
	s.connect(s.knock)
	return s
}

// connect tells the driver of the socket, and sends, in no order.
func (s *socket) connect(send func()) {
	switch {
	case s.world.mute:
		send()
	case s.world.orderly || rand.IntN(2) == 0:
		s.tell()
		send()
	default:
		send()
		time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, s.tell)
	}
}

func (s *socket) tell() {
	s.told.Do(func() { s.world.event(eventConnect, s.flow, s.pid, s.endpoint) })
}

// knock sends the segment that opens the connection, again and again.
func (s *socket) knock() {
	s.mu.Lock()
	waits := !s.open && s.err == nil
	s.syns++
	again := s.syns < 100
	s.mu.Unlock()
	if !waits {
		return
	}
	s.world.leave(segment{flow: s.flow, flags: packet.SYN, sequence: s.sequence}.bytes())
	if again {
		time.AfterFunc(300*time.Millisecond, s.knock)
	}
}

func (s *socket) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open || s.err != nil {
		return
	}
	s.open, s.err = err == nil, err
	close(s.done)
}

// refusals counts the answers to segments that were to open the connection.
func (s *socket) refusals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resets
}

// close ends the socket, as its program does or the system once that is killed.
func (s *socket) close() {
	s.closing.Do(func() {
		s.finish(errors.New("closed"))
		close(s.ended)
		s.world.mu.Lock()
		delete(s.world.sockets, s.flow)
		s.world.mu.Unlock()
		if !s.world.mute {
			s.tell()
			s.world.event(eventClose, s.flow, s.pid, s.endpoint)
		}
	})
}

// event gives a socket event to who watches sockets.
func (w *world) event(e socketEvent, f firewall.Flow, pid uint32, endpoint uint64) {
	a := socketAddress(e, f, pid, endpoint)
	if w.divert != nil {
		w.divert(nil, a)
	} else if h := w.driver.handle(filterSockets); h != nil {
		h.put(record{address: a})
	}
}

func socketAddress(e socketEvent, f firewall.Flow, pid uint32, endpoint uint64) address {
	return address(windiverttest.SocketAddress(windiverttest.Event(e), f, pid, endpoint))
}

func packetAddress(b []byte, outbound bool) address {
	if outbound {
		return address(windiverttest.Outbound(b))
	}
	return address(windiverttest.Inbound(b))
}

const everyPriority = 30000

// leave has the network stack send a packet, enter has one arrive.
func (w *world) leave(b []byte) { w.travel(b, packetAddress(b, true), everyPriority) }
func (w *world) enter(b []byte) { w.travel(b, packetAddress(b, false), everyPriority) }

// travel takes a packet through the driver, and on if no handle wants it.
func (w *world) travel(b []byte, a address, below int16) {
	switch {
	case w.divert != nil:
		w.divert(b, a)
	case !w.driver.take(b, a, below):
		w.arrive(b, a)
	}
}

// arrive takes a packet on that no handle wants.
func (w *world) arrive(b []byte, a address) {
	if a.outbound() {
		w.network(b)
	} else {
		w.stack(b)
	}
}

func (w *world) find(f firewall.Flow) *socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sockets[outward(f)]
}

// owner is part of [system], as all that follows.
func (w *world) owner(f firewall.Flow) (uint32, bool) {
	if s := w.find(f); s != nil {
		return s.pid, true
	}
	return 0, false
}

func (w *world) connections() (list []connection, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f, s := range w.sockets {
		list = append(list, connection{Flow: f, pid: s.pid})
	}
	return list, nil
}

func (w *world) identify(pid uint32, f firewall.Flow, seen time.Time) (process.Running, int) {
	if w.identifies != nil {
		return w.identifies(pid, f, seen)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.processes[pid]
	if !ok || p.started.After(seen) {
		return process.Running{Program: firewall.Program{File: "process", Why: "its process has ended"}}, -1
	}
	r := process.Running{Program: p.program, Started: p.started, Runs: p.runs}
	if f := w.files[p.program.Path]; f != nil {
		f.describe(&r)
	}
	return r, 1000
}

func (w *world) cut(f firewall.Flow) error {
	if w.local.Is6() {
		return errors.New("the system ends connections of IPv4 only")
	}
	if s := w.find(f); s != nil {
		s.close()
	}
	return nil
}

func (w *world) resolvers() []netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []netip.Addr{w.resolver.Addr()}
}

// left counts the packets, save TCP, that left the computer.
func (w *world) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.arrived)
}
