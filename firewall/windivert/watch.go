package windivert

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// priorityWatch lets a watch see packets before any backend does.
const priorityWatch = 200

// lateEvent is how long an attempt that has ended waits for its event.
const lateEvent = 200 * time.Millisecond

// watch sees the connections that one process opens, one at a time. Whatever
// else its handles take goes on its way at once.
type watch struct {
	sockets, packets handle
	readers          sync.WaitGroup
	closing          sync.Once

	mu     sync.Mutex
	remote netip.AddrPort // of the attempt that is watched
	pid    uint32
	events chan time.Time
	packed chan captured
}

// captured is a segment that opens a connection.
type captured struct {
	bytes []byte
	address
	at time.Time
}

// sighting is what was seen of one attempt.
type sighting struct {
	event, packet time.Time // when they were read first; zero if they were not
	err           error     // of connecting
	took          time.Duration
}

// order says which handle told first.
func (s sighting) order() string {
	if gap := s.packet.Sub(s.event); gap >= 0 {
		return fmt.Sprintf("the event was read %v before the packet", gap.Round(time.Microsecond))
	}
	return fmt.Sprintf("the packet was read %v before the event", s.event.Sub(s.packet).Round(time.Microsecond))
}

func openWatch(d driver) (*watch, error) {
	w := &watch{events: make(chan time.Time, 64), packed: make(chan captured, 64)}
	var err error
	if w.sockets, err = d.open(filterSockets, layerSocket, prioritySockets, flagSniff|flagReceiveOnly); err != nil {
		return nil, fmt.Errorf("watch sockets: %w", err)
	}
	if w.packets, err = d.open(filterPackets, layerNetwork, priorityWatch, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("hold packets: %w", err), w.sockets.close())
	}
	w.readers.Go(w.readSockets)
	w.readers.Go(w.readPackets)
	return w, nil
}

// close ends both handles, as the end of the process would.
func (w *watch) close() {
	w.closing.Do(func() {
		for _, h := range []handle{w.packets, w.sockets} {
			h.shutdown()
		}
		w.readers.Wait()
		for _, h := range []handle{w.packets, w.sockets} {
			h.close()
		}
	})
}

func (w *watch) readSockets() {
	buffer := make([]byte, 1<<16+64)
	for {
		_, a, err := w.sockets.receive(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		if a.event() == eventConnect && a.process() == w.pid && a.flow().Remote == w.remote {
			select {
			case w.events <- time.Now():
			default:
			}
		}
		w.mu.Unlock()
	}
}

func (w *watch) readPackets() {
	buffer := make([]byte, 1<<16+64)
	for {
		n, a, err := w.packets.receive(buffer)
		if err != nil {
			return
		}
		s := captured{buffer[:n], a, time.Now()}
		if !w.take(s) {
			w.pass(s)
		}
	}
}

// take keeps a segment of the attempt that is watched.
func (w *watch) take(s captured) bool {
	p, err := packet.Parse(s.bytes, firewall.Out)
	if err != nil || !s.outbound() || !p.Opens() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.Flow.Remote != w.remote {
		return false
	}
	s.bytes = slices.Clone(s.bytes)
	select {
	case w.packed <- s:
		return true
	default:
		return false
	}
}

// pass sends a segment on; one that cannot be sent is sent again by its program.
func (w *watch) pass(s captured) { w.packets.send(s.bytes, s.address) }

// refuse answers a segment with a reset.
func (w *watch) refuse(s captured) {
	if answer, ok := reset(s.bytes); ok {
		w.packets.send(answer, s.returned())
	}
}

// attempt opens a connection and gives each segment that does so to act.
func (w *watch) attempt(ctx context.Context, own dialer, remote netip.AddrPort, act func(captured)) (seen sighting) {
	w.mu.Lock()
	w.remote, w.pid = remote, own.pid
	w.mu.Unlock()
	defer w.forget()
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- own.dial(ctx, remote) }()
	var late <-chan time.Time
	for {
		select {
		case at := <-w.events:
			if seen.event.IsZero() {
				seen.event = at
			}
		case s := <-w.packed:
			if seen.packet.IsZero() {
				seen.packet = s.at
			}
			if late == nil {
				act(s)
			}
		case seen.err = <-ended:
			seen.took = time.Since(began)
			late, ended = time.After(lateEvent), nil
		case <-late:
			return seen
		}
	}
}

// forget has what still comes of an attempt go on its way.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remote = netip.AddrPort{}
	for {
		select {
		case <-w.events:
		case s := <-w.packed:
			w.pass(s)
		default:
			return
		}
	}
}

// refused tells whether connecting was refused by the other end.
func refused(err error) bool {
	const windowsRefused = syscall.Errno(10061) // WSAECONNREFUSED
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windowsRefused)
}
