package netfilter

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// settlePatience is how long a flow waits until it is known whether its
// program's file is still the same: most files are read before anybody needs to
// see a question, and a large one does not delay it more.
const settlePatience = 200 * time.Millisecond

func (r *run) settle(f *heldFlow, settled <-chan struct{}) {
	select {
	case <-settled:
	case <-f.gone:
	case <-time.After(settlePatience):
	}
	f.attempt.Program = r.identities.program(f.owner.Program, f.owner.Pid)
	r.handOver(f)
}

func (r *run) handOver(f *heldFlow) {
	r.sink.Hold(firewall.Held{
		Attempt: f.attempt,
		Gone:    f.gone,
		Release: func(d firewall.Decision) { r.holding.release(release{f, d, r.cache.currentEpoch()}) },
	})
}
