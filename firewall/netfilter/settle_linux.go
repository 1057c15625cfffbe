package netfilter

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// settlePatience is how long a flow waits until it is known which program its
// file is, and whether it is still the same: most files are read before anybody
// needs to see a question, and a large one does not delay it more.
const settlePatience = 200 * time.Millisecond

func (r *run) settle(f *heldFlow, settled <-chan struct{}) {
	enough := time.After(settlePatience)
	for waits := true; waits && settled != nil; {
		select {
		case <-settled:
		case <-f.gone:
			waits = false
		case <-enough:
			waits = false
		}
		f.attempt.Program, settled = r.identities.settling(f.owner.Program, f.owner.Pid)
	}
	r.handOver(f)
}

func (r *run) handOver(f *heldFlow) {
	r.sink.Hold(firewall.Held{
		Attempt: f.attempt,
		Gone:    f.gone,
		Release: func(d firewall.Decision) { r.holding.release(release{f, d, r.cache.currentEpoch()}) },
	})
}
