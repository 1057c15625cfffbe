// Package identity proves that the file at a path is still the program that
// rules for the path were made for.
//
// A file is known again by its stamp, which costs nothing. One with another
// stamp is read in the background, once for all who ask, and counts as changed
// until it is proven: by the same content, or as another version of the same
// package or of the same verified signer and product.
package identity

import (
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
	// Named tells whether rules name the executable at path. It returns at once.
	Named func(path string) bool
	// Keep stores an identity before it counts.
	Keep func(firewall.Identity)
	// Owner returns the proof that a package gives of the file at path, without
	// its content: zero if there is none. It may take as long as to read it.
	Owner func(path string) firewall.Proof
	// Known is told that a file that counted as changed turned out to be
	// another program, or the one that rules were made for.
	Known func(old, now firewall.Program)
	// Carried is told that another version took the place of a program.
	Carried func(firewall.Identity)
	// Moved is told that a program that no rule names is another version of one
	// that rules name by the path from. It has the rules count for it, keeps the
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
	files    map[string]*file    // by path, those with an identity
	versions map[string][]string // their paths, by what is left of them without a version
	met      map[string]*check   // the newest file at paths that no rule names
	soon     []*check            // somebody waits for it
	later    []*check
}

// file is what is known of a path.
type file struct {
	identity firewall.Identity
	tried    bool   // to read the identity's own file
	other    *check // the newest file met there that is not the identity's; nil: none
}

// New makes a prover that knows these identities.
func New(all []firewall.Identity, o Options) *Prover {
	if o.Owner == nil {
		o.Owner = func(string) firewall.Proof { return firewall.Proof{} }
	}
	p := &Prover{o: o, files: make(map[string]*file), versions: make(map[string][]string), met: make(map[string]*check)}
	for i := range p.wakes {
		p.wakes[i] = make(chan struct{}, 1)
	}
	for _, i := range all {
		p.know(i)
	}
	return p
}

// Identify says which program the file at a path is. See [firewall.Identify].
func (p *Prover) Identify(same firewall.Program, s firewall.Stamp, read firewall.Reading) (firewall.Program, <-chan struct{}) {
	same.Kind, same.File, same.Why = firewall.Executable, "", ""
	path := same.Path
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[path]
	switch {
	case f == nil && !p.o.Named(path):
		return same, p.meet(same, s, read)
	case f == nil: // what is met first counts
		p.take(firewall.Identity{Path: path, Stamp: s, Since: time.Now()}, read)
		return same, nil
	case f.identity.Stamp == s:
		if !f.tried && f.identity.Proof == (firewall.Proof{}) {
			f.tried = true
			p.push(&p.later, newCheck(same, s, read))
		}
		return same, nil
	}
	c := f.other
	switch {
	case c == nil || c.stamp != s:
		c = newCheck(same, s, read)
		f.other = c
		p.push(&p.soon, c)
	case c.stale() && !f.identity.Strict:
		p.push(&p.soon, c)
	}
	c.signed(same)
	if c.settled {
		return c.program, nil
	}
	return c.program, c.done
}

// know has an identity count for a path that had none; the prover's lock is
// held.
func (p *Prover) know(i firewall.Identity) *file {
	f := &file{identity: i}
	p.files[i.Path] = f
	if name := versionless(i.Path); name != "" {
		p.versions[name] = append(p.versions[name], i.Path)
	}
	return f
}

// Identity returns what is known of a path; ok is false if nothing is.
func (p *Prover) Identity(path string) (i firewall.Identity, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[path]; f != nil {
		return f.identity, true
	}
	return i, false
}

// Identities returns what is known of every path, in no order.
func (p *Prover) Identities() []firewall.Identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]firewall.Identity, 0, len(p.files))
	for _, f := range p.files {
		all = append(all, f.identity)
	}
	return all
}
