package identity

import (
	"context"
	"slices"
	"time"
)

const (
	// hangsAfter is how long a reading may not get on before its file system
	// counts as dead.
	hangsAfter = 5 * time.Second
	// maxHanging is how many readings may hang before nobody takes their place:
	// each keeps a thread of the system.
	maxHanging = 32
)

// Run reads files until ctx ends. It does not wait for a reading that a dead
// mount holds up.
func (p *Prover) Run(ctx context.Context) error {
	go p.read(ctx, p.wakes[0], &p.soon)
	go p.read(ctx, p.wakes[1], &p.soon, &p.later)
	<-ctx.Done()
	return nil
}

// read reads what is in the queues, the first one first.
func (p *Prover) read(ctx context.Context, wake <-chan struct{}, queues ...*[]*check) {
	for ctx.Err() == nil {
		if c := p.next(queues); c != nil {
			p.attempt(ctx, c)
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// next takes the first check of which the file system is not known to be dead.
func (p *Prover) next(queues []*[]*check) *check {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, queue := range queues {
		for n, c := range *queue {
			if p.dead[c.stamp.Device] == 0 {
				*queue = slices.Delete(*queue, n, n+1)
				return c
			}
		}
	}
	return nil
}

// attempt proves a file, but does not wait for one that hangs: that counts as
// changed, and no other file of its device is read, until it answers.
func (p *Prover) attempt(ctx context.Context, c *check) {
	done := make(chan struct{})
	go func() { defer close(done); p.prove(ctx, c) }()
	tick := time.NewTicker(hangsAfter)
	defer tick.Stop()
	for before := c.reads.Load(); ; {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.reads.Load()
		if now == before && p.leave(c, done) {
			return
		}
		before = now
	}
}

// leave lets a reading hang, unless too many do. What waited for its device is
// read once it is done.
func (p *Prover) leave(c *check, done <-chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hanging >= maxHanging {
		return false
	}
	p.hanging++
	p.dead[c.stamp.Device]++
	go func() {
		<-done
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hanging--
		if p.dead[c.stamp.Device]--; p.dead[c.stamp.Device] == 0 {
			delete(p.dead, c.stamp.Device)
		}
		p.wake()
	}()
	return true
}

// wake tells the readers that there is something to read.
func (p *Prover) wake() {
	for _, wake := range p.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}
