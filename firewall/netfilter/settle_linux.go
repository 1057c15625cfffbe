package netfilter

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// settlePatience is how long a flow waits until it is known whether its
// program's file is still the same: most files are read before anybody needs to
// see a question, and a large one does not delay it more.
const settlePatience = 200 * time.Millisecond

// settle hands over a flow once it is known which program it is of.
func (r *run) settle(f *heldFlow) {
	p, settled := r.identities.within(answersWithin, f.owner.Program, f.owner.Pid)
	enough := time.After(settlePatience)
	for waits := true; waits && settled != nil; {
		select {
		case <-settled:
		case <-f.gone:
			waits = false
		case <-enough:
			waits = false
		}
		p, settled = r.identities.within(lookPatience, f.owner.Program, f.owner.Pid)
	}
	f.attempt.Program = p
	r.handOver(f)
}

func (r *run) handOver(f *heldFlow) {
	r.sink.Hold(firewall.Held{
		Attempt: f.attempt,
		Gone:    f.gone,
		Release: func(d firewall.Decision) { r.holding.release(release{f, d, r.cache.currentEpoch()}) },
	})
}
