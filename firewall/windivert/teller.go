package windivert

import (
	"sync/atomic"

	"sallyport.dev/sallyport/firewall"
)

// teller tells the sink what the worker met, so that a sink that is busy keeps
// no packet waiting.
type teller struct {
	sink     firewall.Sink
	holds    *mailbox[hold]
	told     *mailbox[firewall.Entry]
	lost     atomic.Uint64 // events that could not be reported, so far
	reported uint64        // of these
	wake     chan struct{}
	stopping chan struct{} // closed when flows are not handed over any more
	ended    chan struct{} // closed when nothing more will come
}

func newTeller(sink firewall.Sink) *teller {
	wake := make(chan struct{}, 1)
	return &teller{
		sink: sink, wake: wake,
		holds: newMailbox[hold](wake), told: newMailbox[firewall.Entry](wake),
		stopping: make(chan struct{}), ended: make(chan struct{}),
	}
}

// lose counts events that cannot be reported.
func (t *teller) lose(n uint64) {
	t.lost.Add(n)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *teller) run() {
	for {
		select {
		case <-t.wake:
			t.tell()
		case <-t.ended:
			t.tell()
			return
		}
	}
}

func (t *teller) tell() {
	for _, h := range t.holds.take() {
		select {
		case <-t.stopping:
			t.sink.Decided(firewall.Entry{Attempt: h.Attempt, Decision: firewall.Decision{Reason: firewall.Stopping}, Count: 1})
		default:
			t.sink.Hold(h)
		}
	}
	for _, e := range t.told.take() {
		t.sink.Decided(e)
	}
	if lost := t.lost.Load(); lost > t.reported {
		t.sink.Lost(lost - t.reported)
		t.reported = lost
	}
}
