package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// check is the reading of one program's file. All but the first five belong to
// the prover's lock.
type check struct {
	id    string
	path  string // by which a package can vouch for all of the file; "" if none can
	stamp firewall.Stamp
	read  firewall.Reading
	done  chan struct{} // closed once settled

	met     []firewall.Program // with this file: one for each interpreter that ran a script
	file    string             // what tells it apart if it counts as changed, as in [firewall.Program]
	proof   firewall.Proof     // zero until it was read
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

// maxInterpreters is how many interpreters of one script are told at once what
// it turned out to be; others find out when it connects again.
const maxInterpreters = 16

func newCheck(met firewall.Program, s firewall.Stamp, read firewall.Reading) *check {
	path := met.Path
	switch {
	case met.Replaceable:
		path = ""
	case met.Script != "":
		path = met.Script
	}
	return &check{
		id: met.ID(), path: path, met: []firewall.Program{met}, stamp: s, read: read, done: make(chan struct{}),
		file: s.String(),
	}
}

// noteMet notes as which program the file was met, and by whom it is signed,
// which may be known only later; the prover's lock is held.
func (c *check) noteMet(p firewall.Program) {
	same := func(o firewall.Program) bool {
		o.Signer, o.Product = p.Signer, p.Product
		return o == p
	}
	if at := slices.IndexFunc(c.met, same); at >= 0 {
		c.met[at] = p
	} else if len(c.met) < maxInterpreters {
		c.met = append(c.met, p)
	}
}

// as is as which program p counts with the file; the prover's lock is held.
func (c *check) as(p firewall.Program) firewall.Program {
	if c.file != "" {
		p.Kind, p.File, p.Why = firewall.Changed, c.file, c.why()
	}
	return p
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

// change has the file count as one that is proven to be another, or of which
// nothing can be proven; the prover's lock is held.
func (c *check) change() {
	c.file = c.stamp.String()
	if c.proof.SHA256 != "" {
		c.file = "sha256:" + c.proof.SHA256
	}
}

// why says why the file counts as changed; the prover's lock is held.
func (c *check) why() string {
	since := time.Unix(0, c.stamp.Changed).Format("2 Jan 2006")
	switch {
	case c.at.IsZero():
		return "changed, being checked"
	case len(c.met) > 0 && c.met[0].Replaceable:
		return "another script, or interpreter of it, since " + since
	}
	return "another file at this path since " + since
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
	if f := p.files[c.id]; f != nil && f.other == c && !f.identity.Strict && !c.queued {
		p.push(&p.later, c)
	}
}

// prove reads a file and decides which program it is.
func (p *Prover) prove(ctx context.Context, c *check) {
	var proof firewall.Proof
	err := c.read(ctx, func(all *io.SectionReader) error {
		file := io.NewSectionReader(progress{all, &c.reads}, 0, all.Size())
		sum, err := digest(ctx, file)
		if err == nil && c.path != "" && !p.has(c.id, sum) { // the same content needs no package to vouch for it
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
	c.proof, c.times = proof, c.times+1
	f := p.files[c.id]
	if f == nil {
		c.queued, c.at = false, time.Now()
		from, isVersion := p.continued(c)
		p.mu.Unlock()
		p.deciding.Unlock()
		if isVersion {
			p.o.Moved(from.Program, firewall.Identity{Program: c.id, Proof: proof, Stamp: c.stamp, Since: time.Now(), Before: from.Proof, From: from.Program})
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
		f.replace(next)
	}
	was := c.all()
	c.queued, c.at = false, time.Now()
	c.change()
	if known && next.Stamp == c.stamp {
		c.file = ""
		if f.other == c { // and not one that was met meanwhile
			f.other = nil
		}
	}
	if known && next.Stamp != c.stamp && next.Proof.Package != "" && !next.Strict && c.times < maxTimes {
		time.AfterFunc(lookAgain, func() { p.again(c) })
	}
	now := c.all()
	c.settle()
	p.mu.Unlock()
	p.deciding.Unlock()
	if next.Stamp != before.Stamp && next.Before == before.Proof && p.o.Carried != nil {
		p.o.Carried(next)
	}
	if !other && known || p.o.Known == nil {
		return
	}
	for i := range was {
		if was[i] != now[i] {
			p.o.Known(was[i], now[i])
		}
	}
}

// all is as which programs the file counts; the prover's lock is held.
func (c *check) all() (programs []firewall.Program) {
	for _, p := range c.met {
		programs = append(programs, c.as(p))
	}
	return programs
}

// replace has what was proven of a file be what is known of it; the prover's
// lock is held.
func (f *file) replace(next firewall.Identity) {
	if old := f.identity; old.Stamp != next.Stamp && old.Proof != (firewall.Proof{}) {
		if len(f.before) == maxBefore {
			f.before = f.before[1:]
		}
		f.before = append(f.before, old.Stamp)
	}
	f.identity = next
}

// has tells whether a program is known by this content.
func (p *Prover) has(program, sum string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[program]
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
		return firewall.Identity{Program: i.Program, Proof: c.proof, Stamp: c.stamp, Since: time.Now(), Before: i.Proof}
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
