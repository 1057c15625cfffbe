package identity

import (
	"errors"
	"fmt"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Errors of a [Prover].
var (
	ErrGone     = errors.New("another file is there by now")
	ErrNoChange = errors.New("no other version took its place")
)

// Accept has the file with which program was met be what the rules for it are
// made for. store keeps what is known of it, none if nothing is, then calls
// [Prover.Put]; meanwhile nobody else changes an identity. It returns store's
// error, or ErrGone if the program is not the file that was met last.
func (p *Prover) Accept(program firewall.Program, store func(...firewall.Identity) error) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.mu.Lock()
	f, c := p.newest(program.ID())
	changed := program.Kind == firewall.Changed
	var accepted []firewall.Identity
	switch {
	case c != nil && (changed && c.file == program.File || !changed && f == nil):
		accepted = c.accepted()
	case !changed:
		accepted = f.again()
	}
	p.mu.Unlock()
	if changed && len(accepted) == 0 {
		return fmt.Errorf("accept %s: %w", program.ID(), ErrGone)
	}
	return store(accepted...)
}

// Restore lets restore put back what was known of programs; meanwhile nobody
// else changes an identity.
func (p *Prover) Restore(restore func() error) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	return restore()
}

// AcceptMet is Accept for whatever file a program was met with last.
func (p *Prover) AcceptMet(program string, store func(...firewall.Identity) error) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.mu.Lock()
	f, c := p.newest(program)
	accepted := f.again()
	if c != nil {
		accepted = c.accepted()
	}
	p.mu.Unlock()
	return store(accepted...)
}

// newest is what is known of a program's file, and the newest other one; nil if
// there is none. The prover's lock is held.
func (p *Prover) newest(program string) (f *file, c *check) {
	if f = p.files[program]; f != nil {
		return f, f.other
	}
	return nil, p.met[program]
}

func (c *check) accepted() []firewall.Identity {
	return []firewall.Identity{{Program: c.id, Stamp: c.stamp, Proof: c.proof, Since: time.Now()}}
}

// again trusts again what a person took back.
func (f *file) again() []firewall.Identity {
	if f == nil || !f.identity.Strict {
		return nil
	}
	i := f.identity
	i.Strict = false
	return []firewall.Identity{i}
}

// Changed tells whether a program's file, as it was met last, is not the one
// that rules were made for, and says why.
func (p *Prover) Changed(program string) (why string, changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[program]
	if f == nil || f.other == nil {
		return "", false
	}
	return f.other.why(), true
}

// Undo takes back that another version took the place of a program: its file
// counts as changed, and none but one of the same content as before is taken
// for the program until a person accepts it. Where the program before has
// another path, store ends the rules for this one. Otherwise it is as for
// [Prover.Accept]. It returns ErrNoChange if there is nothing to undo.
func (p *Prover) Undo(program string, store func(...firewall.Identity) error) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.mu.Lock()
	f := p.files[program]
	undone := f != nil && f.identity.Before != (firewall.Proof{})
	var i firewall.Identity
	if undone {
		i = firewall.Identity{Program: program, Proof: f.identity.Before, Since: time.Now(), Strict: true}
		if f.identity.From != "" {
			i.Proof, i.Stamp = f.identity.Proof, f.identity.Stamp
		}
	}
	p.mu.Unlock()
	if !undone {
		return fmt.Errorf("undo for %s: %w", program, ErrNoChange)
	}
	return store(i)
}

// Put has an identity count that was stored.
func (p *Prover) Put(i firewall.Identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[i.Program]
	if f == nil {
		c := p.met[i.Program]
		delete(p.met, i.Program)
		if c != nil && c.stamp != i.Stamp {
			c = nil
		}
		p.take(i, c)
		return
	}
	left := &check{id: i.Program, stamp: f.identity.Stamp, proof: f.identity.Proof, done: make(chan struct{}), at: time.Now()}
	left.change()
	left.settle()
	f.identity, f.tried, f.before = i, false, nil
	switch c := f.other; {
	case c != nil && c.stamp == i.Stamp:
		if c.proof == (firewall.Proof{}) && !c.queued {
			p.push(&p.later, c)
		}
		f.tried, f.other = true, nil
		c.file = ""
		c.settle()
	case i.Strict && i.Stamp != left.stamp:
		f.other = left // need not be read again
	}
}

// take has an identity count for a program that had none, which may have been
// met; the prover's lock is held.
func (p *Prover) take(i firewall.Identity, met *check) {
	f := p.know(i)
	if i.Proof == (firewall.Proof{}) && met != nil {
		f.tried = true
		p.push(&p.later, newCheck(met.met[0], i.Stamp, met.read))
	}
}
