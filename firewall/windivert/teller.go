package windivert

import "sallyport.dev/sallyport/firewall"

// teller tells the sink what the worker met, so that a sink that is busy keeps
// no packet waiting.
type teller struct {
	sink     firewall.Sink
	holds    *mailbox[hold]
	told     *mailbox[firewall.Entry]
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
}
