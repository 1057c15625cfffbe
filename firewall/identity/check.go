package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
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

	reads atomic.Int64 // grows as its reading gets on
}

// progress counts what is read.
type progress struct {
	io.ReaderAt
	reads *atomic.Int64
}

func (p progress) ReadAt(b []byte, at int64) (int, error) {
	p.reads.Add(1)
	return p.ReaderAt.ReadAt(b, at)
}

func newCheck(path string, s firewall.Stamp, read firewall.Reading) *check {
	return &check{path: path, stamp: s, read: read, done: make(chan struct{}), program: firewall.Program{
		Kind: firewall.Changed, Path: path, File: s.String(), Why: "changed, being checked",
	}}
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
	program := firewall.Program{Kind: firewall.Changed, Path: c.path, File: c.stamp.String(), Why: "another file at this path since " + since}
	if c.proof.SHA256 != "" {
		program.File = "sha256:" + c.proof.SHA256
	}
	return program
}

// push queues a check; the prover's lock is held.
func (p *Prover) push(queue *[]*check, c *check) {
	c.queued = true
	*queue = append(*queue, c)
	p.wake()
}

// again has a file read once more if it is still the newest at its path.
func (p *Prover) again(c *check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[c.path]; f != nil && f.other == c && !f.identity.Strict && !c.queued {
		p.push(&p.later, c)
	}
}

// prove reads a file and decides which program it is.
func (p *Prover) prove(ctx context.Context, c *check) {
	var proof firewall.Proof
	err := c.read(ctx, func(all *io.SectionReader) error {
		file := io.NewSectionReader(progress{all, &c.reads}, 0, all.Size())
		sum, err := digest(ctx, file)
		if err == nil && !p.has(c.path, sum) { // the same content needs no package to vouch for it
			proof = p.o.Owner(c.path, file)
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
	was, now := c.program, c.changed()
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
		now = firewall.Program{Kind: firewall.Executable, Path: c.path}
		if f.other == c { // and not one that was met meanwhile
			f.other = nil
		}
	}
	if known && next.Stamp != c.stamp && next.Proof.Package != "" && !next.Strict && c.times < maxTimes {
		time.AfterFunc(lookAgain, func() { p.again(c) })
	}
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

// digest is the SHA-256 of a file, in hexadecimal.
func digest(ctx context.Context, file *io.SectionReader) (string, error) {
	if file.Size() > maxSize {
		return "", errors.New("read the program: it is too large")
	}
	h := sha256.New()
	for ctx.Err() == nil {
		if _, err := io.CopyN(h, file, 1<<20); err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		} else if err != nil {
			return "", fmt.Errorf("read the program: %w", err)
		}
	}
	return "", ctx.Err()
}
