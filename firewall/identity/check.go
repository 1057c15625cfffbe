package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// check is the reading of one file. All but path, stamp, read and done belong
// to the prover's lock.
type check struct {
	path  string
	stamp firewall.Stamp
	read  firewall.Reading
	done  chan struct{} // closed once settled

	program firewall.Program // as which the file counts
	proof   firewall.Proof   // zero until it was read
	settled bool
	queued  bool
	at      time.Time // when it was read last
	times   int       // that it was read
}

// newCheck is the reading of a file that counts as changed until it is proven
// to be the program.
func newCheck(same firewall.Program, s firewall.Stamp, read firewall.Reading) *check {
	same.Kind, same.File, same.Why = firewall.Changed, s.String(), "changed, being checked"
	return &check{path: same.Path, stamp: s, read: read, done: make(chan struct{}), program: same}
}

// signed notes who signed the program, which may be known only later.
func (c *check) signed(same firewall.Program) {
	c.program.Signer, c.program.Product = same.Signer, same.Product
}

// asks tells whether a question was about the file, whatever was known then of
// who signed it.
func (c *check) asks(about firewall.Program) bool {
	same := c.program
	same.Signer, same.Product = about.Signer, about.Product
	return same == about
}

// same is the program of a file that is proven to be it.
func (c *check) same() firewall.Program {
	return firewall.Program{Kind: firewall.Executable, Path: c.path, Signer: c.program.Signer, Product: c.program.Product}
}

// stale tells whether the file is worth another look.
func (c *check) stale() bool {
	return c.settled && !c.queued && c.read != nil && time.Since(c.at) >= lookAgain
}

// settle ends the wait for the file; the prover's lock is held.
func (c *check) settle() {
	if !c.settled {
		c.settled = true
		close(c.done)
	}
}

// changed is the program of a file that is proven to be another, or of which
// nothing can be proven.
func (c *check) changed() firewall.Program {
	since := time.Unix(0, c.stamp.Changed).Format("2 Jan 2006")
	program := c.same()
	program.Kind, program.File, program.Why = firewall.Changed, c.stamp.String(), "another file at this path since "+since
	if c.proof.SHA256 != "" {
		program.File = "sha256:" + c.proof.SHA256
	}
	return program
}

// push queues a check; the prover's lock is held.
func (p *Prover) push(queue *[]*check, c *check) {
	c.queued = true
	*queue = append(*queue, c)
	for _, wake := range p.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// Run reads files until ctx ends. It does not wait for a reader that a dead
// mount holds up.
func (p *Prover) Run(ctx context.Context) error {
	go p.read(ctx, p.wakes[0], &p.soon)
	go p.read(ctx, p.wakes[1], &p.soon, &p.later)
	<-ctx.Done()
	return nil
}

// again has a file read once more if it is still the newest at its path.
func (p *Prover) again(c *check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[c.path]; f != nil && f.other == c && !f.identity.Strict && !c.queued {
		p.push(&p.later, c)
	}
}

// read reads what is in the queues, the first one first.
func (p *Prover) read(ctx context.Context, wake <-chan struct{}, queues ...*[]*check) {
	for ctx.Err() == nil {
		if c := p.next(queues); c != nil {
			p.prove(ctx, c)
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

func (p *Prover) next(queues []*[]*check) *check {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, queue := range queues {
		if len(*queue) > 0 {
			c := (*queue)[0]
			*queue = (*queue)[1:]
			return c
		}
	}
	return nil
}

// prove reads a file and decides which program it is.
func (p *Prover) prove(ctx context.Context, c *check) {
	var proof firewall.Proof
	err := c.read(ctx, func(r io.Reader) error {
		sum, err := digest(ctx, r)
		if err == nil && !p.has(c.path, sum) { // the same content needs no package to vouch for it
			proof = p.o.Owner(c.path)
		}
		proof.SHA256 = sum
		return err
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		proof = firewall.Proof{}
	}
	p.deciding.Lock()
	p.mu.Lock()
	c.queued, c.proof, c.at, c.times = false, proof, time.Now(), c.times+1
	now := c.changed()
	f := p.files[c.path]
	if f == nil {
		from, isVersion := p.continued(c)
		p.mu.Unlock()
		p.deciding.Unlock()
		if isVersion {
			p.o.Moved(from.Path, firewall.Identity{Path: c.path, Proof: proof, Stamp: c.stamp, Since: time.Now(), Before: from.Proof, From: from.Path})
		}
		p.mu.Lock()
		c.settle()
		p.mu.Unlock()
		return
	}
	other := f.other == c
	known := other || f.identity.Stamp == c.stamp
	var before, next firewall.Identity
	if known {
		before = f.identity
		next = c.continues(before)
	}
	p.mu.Unlock()
	if next != before {
		p.o.Keep(next)
	}
	p.mu.Lock()
	if known {
		f.identity = next
	}
	if known && next.Stamp == c.stamp {
		now = c.same()
		if f.other == c { // and not one that was met meanwhile
			f.other = nil
		}
	}
	if known && next.Stamp != c.stamp && next.Proof.Package != "" && !next.Strict && c.times < maxTimes {
		time.AfterFunc(lookAgain, func() { p.again(c) })
	}
	now.Signer, now.Product = c.program.Signer, c.program.Product // may be known by now
	was := c.program
	c.program = now
	c.settle()
	p.mu.Unlock()
	p.deciding.Unlock()
	if next.Stamp != before.Stamp && next.Before == before.Proof && p.o.Carried != nil {
		p.o.Carried(next)
	}
	if was != now && (other || !known) && p.o.Known != nil {
		p.o.Known(was, now)
	}
}

// has tells whether the program at path is known by this content.
func (p *Prover) has(path, sum string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[path]
	return f != nil && f.identity.Proof.SHA256 == sum
}

// continues is what the identity is once the file was read: the file's, if it
// is the same program.
func (c *check) continues(i firewall.Identity) firewall.Identity {
	switch {
	case c.proof == firewall.Proof{}:
	case c.proof.Content(i.Proof):
		i.Stamp = c.stamp
	case c.stamp == i.Stamp:
		i.Proof = c.proof
	case c.proof.Continues(i.Proof) && !i.Strict:
		return firewall.Identity{Path: i.Path, Proof: c.proof, Stamp: c.stamp, Since: time.Now(), Before: i.Proof}
	}
	return i
}

// maxSize is how large a program may be that is read, in bytes: one that is
// larger proves nothing, and keeps no others waiting.
const maxSize = 4 << 30

// digest is the SHA-256 of what r reads, in hexadecimal.
func digest(ctx context.Context, r io.Reader) (string, error) {
	h := sha256.New()
	for range maxSize>>20 + 1 {
		_, err := io.CopyN(h, r, 1<<20)
		switch {
		case err == io.EOF:
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return "", fmt.Errorf("read the program: %w", err)
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
	}
	return "", errors.New("read the program: it is too large")
}
