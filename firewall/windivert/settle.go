package windivert

import (
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

const (
	// settlePatience is how long a flow waits until it is known whether its
	// program's file is still the same, and who signed it: most files are read
	// before anybody needs to see a question, and a large one does not delay it
	// more.
	settlePatience = 200 * time.Millisecond
	// signPatience is how long it waits where rules depend on who signed it.
	signPatience = 3 * time.Second
)

// patience is how long somebody waits for who signed a program.
func (a *attributor) patience() time.Duration {
	if a.signers.Load() {
		return signPatience
	}
	return settlePatience
}

// proven says which program a running one is, given what rules were made for:
// what an interpreter runs, if that is the one that is at its path.
func (a *attributor) proven(r process.Running) (p firewall.Program, settled <-chan struct{}) {
	p = r.Program
	if a.prove != nil && r.Kind == firewall.Executable && r.Read != nil {
		p, settled = a.prove(r.Program, r.Stamp, r.Read)
	}
	if r.Runs == nil || p.Kind == firewall.Changed {
		return p, settled
	}
	runs := *r.Runs
	if runs.Kind == firewall.Interpreted {
		runs.Signer, runs.Product = p.Signer, p.Product
	}
	return runs, settled
}

// await waits for something to be known, at most until a time or the end.
func (a *attributor) await(known <-chan struct{}, until time.Time) {
	if known == nil {
		return
	}
	enough := time.NewTimer(time.Until(until))
	defer enough.Stop()
	select {
	case <-known:
	case <-enough.C:
	case <-a.ended:
	}
}

// settle answers a task once its program is known for certain, or at the end
// of the patience; then it tells what becomes known later.
func (a *attributor) settle(r result, running process.Running, settled <-chan struct{}) {
	begun := time.Now()
	a.await(running.Verified, begun.Add(a.patience()))
	a.await(settled, begun.Add(settlePatience))
	running = running.Sign()
	r.program, settled = a.proven(running)
	r.provisional = settled != nil || r.program.Kind == firewall.Changed || running.Verified != nil
	a.results.put(r)
	if running.Verified == nil {
		return
	}
	select {
	case <-running.Verified:
	case <-a.ended:
		return
	}
	now, _ := a.proven(running.Sign())
	olds := []firewall.Program{r.program}
	if running.Runs == nil { // as which a changed one is asked about once it is proven, whatever it runs
		olds = append(olds, running.Program)
	} else if now.Kind != r.program.Kind {
		return
	}
	for _, old := range olds {
		if old != now {
			a.learnt(old, now)
		}
	}
}
