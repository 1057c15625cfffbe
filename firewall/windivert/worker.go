package windivert

import (
	"fmt"
	"time"
)

// worker feeds the core with what the handles deliver, and with what others
// have for it. All of it runs on one goroutine, so that packets are sent in the
// order in which they were decided.
type worker struct {
	core    *core
	sockets *ring
	packets *ring
	wake    chan struct{} // the mailboxes have something
	calls   chan func()   // what others want done
	ended   chan struct{} // closed when no call is done any more
}

// run works until both handles are drained, or one is lost.
func (w *worker) run() error {
	defer close(w.ended)
	defer func() { w.core.stop(time.Now()) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var armed time.Time
	sockets, packets := w.sockets.records, w.packets.records
	for sockets != nil || packets != nil {
		if due := w.core.due(); !due.Equal(armed) {
			armed = due
			if due.IsZero() {
				timer.Stop()
			} else {
				timer.Reset(time.Until(due))
			}
		}
		select {
		case rec, ok := <-sockets:
			if !ok {
				sockets = nil
				if w.sockets.err != nil {
					return fmt.Errorf("read socket events from the WinDivert driver: %w", w.sockets.err)
				}
				continue
			}
			w.event(&rec)
		case rec, ok := <-packets:
			if !ok {
				packets = nil
				if w.packets.err != nil {
					return fmt.Errorf("read packets from the WinDivert driver: %w", w.packets.err)
				}
				continue
			}
			sockets = w.catchUp(sockets)
			w.core.packet(rec.bytes, &rec.address, rec.read)
			w.packets.release(&rec)
		case <-w.wake:
			w.core.collect(time.Now())
		case call := <-w.calls:
			call()
		case <-timer.C:
			armed = time.Time{}
			w.core.expire(time.Now())
		}
	}
	return nil
}

func (w *worker) event(rec *record) {
	w.core.event(&rec.address, rec.read)
	w.sockets.release(rec)
}

// catchUp takes the events that were read before a packet is judged: most are
// older than it.
func (w *worker) catchUp(sockets chan record) chan record {
	for range len(sockets) {
		rec, ok := <-sockets
		if !ok {
			return sockets // the loop sees it again
		}
		w.event(&rec)
	}
	return sockets
}

// do has the worker call f and waits until that is done; it tells whether it
// was.
func (w *worker) do(f func()) bool {
	done := make(chan struct{})
	select {
	case w.calls <- func() { f(); close(done) }:
		<-done
		return true
	case <-w.ended:
		return false
	}
}
