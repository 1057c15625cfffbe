// Package identity proves that the file of an executable or a script is still
// the one that the rules for it were made for.
//
// A file is known again by its stamp, which costs nothing. One with another
// stamp is read in the background, once for all who ask, and counts as changed
// until it is proven: by the same content, or as another version of the same
// package or of the same verified signer and product. Where a script's
// interpreter could be replaced, stamp and content are those of both files.
// What is known is kept by what rules call the program, its ID.
package identity

import (
	"io"
	"slices"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	// readers is how many files are read at once, beside what else the computer
	// does.
	readers = 2
	// maxMet is how many programs that no rule names are remembered: those that
	// a person may be about to answer for.
	maxMet = 4096
	// lookAgain is how long a file counts as changed before it is looked at
	// again, by itself maxTimes in all: a package's files come before the list
	// of their digests.
	lookAgain = 10 * time.Second
	maxTimes  = 3
)

// Options are what a [Prover] works with. Named and Keep are needed.
type Options struct {
	// Named tells whether rules name the program with this ID. It returns at once.
	Named func(program string) bool
	// Keep stores an identity before it counts.
	Keep func(firewall.Identity)
	// Owner returns the proof that a package or a signature gives of the file at
	// path, which it may read, without its content: zero if there is none.
	Owner func(path string, file *io.SectionReader) firewall.Proof
	// Known is told that a file that counted as changed turned out to be
	// another program, or the one that rules were made for.
	Known func(old, now firewall.Program)
	// Carried is told that another version took the place of a program.
	Carried func(firewall.Identity)
	// Moved is told that a program that no rule names is another version of one
	// that rules name from. It has the rules count for it, keeps the
	// identity and calls [Prover.Put], if it is to be so. nil: it is not.
	Moved func(from string, to firewall.Identity)
}

// Prover knows the programs that rules name. Its methods may be called from
// any goroutine; files are read while [Prover.Run] runs.
type Prover struct {
	o        Options
	deciding sync.Mutex // held while an identity is being replaced
	wakes    [readers]chan struct{}

	mu       sync.Mutex
	files    map[string]*file    // by program, those with an identity
	versions map[string][]string // their programs, by what is left of them without a version
	met      map[string]*check   // the newest file of programs that no rule names
	soon     []*check            // somebody waits for it
	later    []*check
	dead     map[uint32]int // by device: how many readings do not get on
	hanging  int            // all of them
}

// file is what is known of a program's file.
type file struct {
	identity firewall.Identity
	before   []firewall.Stamp // that it had, and was proven by, and may still run with
	tried    bool             // to read the identity's own file
	other    *check           // the newest file met there that is not the identity's; nil: none
}

// maxBefore is how many stamps of before are remembered of a file.
const maxBefore = 16

// New makes a prover that knows these identities.
func New(all []firewall.Identity, o Options) *Prover {
	if o.Owner == nil {
		o.Owner = func(string, *io.SectionReader) firewall.Proof { return firewall.Proof{} }
	}
	p := &Prover{o: o, files: make(map[string]*file), versions: make(map[string][]string), met: make(map[string]*check), dead: make(map[uint32]int)}
	for i := range p.wakes {
		p.wakes[i] = make(chan struct{}, 1)
	}
	for _, i := range all {
		p.know(i)
	}
	return p
}

// Identify says as which program one counts that was met. See
// [firewall.Identify].
func (p *Prover) Identify(met firewall.Program, s firewall.Stamp, read firewall.Reading) (firewall.Program, <-chan struct{}) {
	id := met.ID()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[id]
	switch {
	case id == "":
		return met, nil
	case f == nil && !p.o.Named(id):
		return met, p.meet(met, s, read)
	case f == nil: // what is met first counts
		p.take(firewall.Identity{Program: id, Stamp: s, Since: time.Now()}, newCheck(met, s, read))
		return met, nil
	case f.identity.Stamp == s:
		if !f.tried && f.identity.Proof == (firewall.Proof{}) {
			f.tried = true
			p.push(&p.later, newCheck(met, s, read))
		}
		return met, nil
	case slices.Contains(f.before, s):
		return met, nil
	}
	c := f.other
	switch {
	case c == nil || c.stamp != s:
		c = newCheck(met, s, read)
		f.other = c
		p.push(&p.soon, c)
	case c.stale() && !f.identity.Strict:
		p.push(&p.soon, c)
	}
	c.noteMet(met)
	if c.settled {
		return c.as(met), nil
	}
	return c.as(met), c.done
}

// know has an identity count for a program that had none; the prover's lock is
// held.
func (p *Prover) know(i firewall.Identity) *file {
	f := &file{identity: i}
	p.files[i.Program] = f
	if name := versionless(i.Program); name != "" {
		p.versions[name] = append(p.versions[name], i.Program)
	}
	return f
}

// Identity returns what is known of a program; ok is false if nothing is.
func (p *Prover) Identity(program string) (i firewall.Identity, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[program]; f != nil {
		return f.identity, true
	}
	return i, false
}

// Identities returns what is known of every program, in no order.
func (p *Prover) Identities() []firewall.Identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]firewall.Identity, 0, len(p.files))
	for _, f := range p.files {
		all = append(all, f.identity)
	}
	return all
}
