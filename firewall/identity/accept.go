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

// Accept has the file that counts as program be what rules for its path are
// made for. store keeps what is known of it, none if nothing is, then calls
// [Prover.Put]; meanwhile nobody else changes an identity. It returns store's
// error, or ErrGone if the program is not the file that was met last.
func (p *Prover) Accept(program firewall.Program, store func(...firewall.Identity) error) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.mu.Lock()
	f, c := p.files[program.Path], p.met[program.Path]
	if f != nil {
		c = f.other
	}
	var accepted []firewall.Identity
	if c != nil && (c.asks(program) || f == nil && program.Kind == firewall.Executable) {
		accepted = append(accepted, firewall.Identity{Path: c.path, Stamp: c.stamp, Proof: c.proof, Since: time.Now()})
	} else if f != nil && f.identity.Strict && program.Kind == firewall.Executable {
		again := f.identity
		again.Strict = false
		accepted = append(accepted, again)
	}
	p.mu.Unlock()
	if program.Kind == firewall.Changed && len(accepted) == 0 {
		return fmt.Errorf("accept %s: %w", program.Path, ErrGone)
	}
	return store(accepted...)
}

// At returns the program that the file is which was met last at a path.
func (p *Prover) At(path string) firewall.Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[path]; f != nil && f.other != nil {
		return f.other.program
	}
	return firewall.Program{Kind: firewall.Executable, Path: path}
}

// Undo takes back that another version took the place of the program at path:
// the file there counts as changed, and none but one of the same content as
// before is taken for the program until a person accepts it. Where the program
// before has another path, store ends the rules for this one. Otherwise it is as
// for [Prover.Accept]. It returns ErrNoChange if there is nothing to undo.
func (p *Prover) Undo(path string, store func(...firewall.Identity) error) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.mu.Lock()
	f := p.files[path]
	undone := f != nil && f.identity.Before != (firewall.Proof{})
	var i firewall.Identity
	if undone {
		i = firewall.Identity{Path: path, Proof: f.identity.Before, Since: time.Now(), Strict: true}
		if f.identity.From != "" {
			i.Proof, i.Stamp = f.identity.Proof, f.identity.Stamp
		}
	}
	p.mu.Unlock()
	if !undone {
		return fmt.Errorf("undo for %s: %w", path, ErrNoChange)
	}
	return store(i)
}

// Put has an identity count that was stored.
func (p *Prover) Put(i firewall.Identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.files[i.Path]
	if f == nil {
		c := p.met[i.Path]
		delete(p.met, i.Path)
		if c == nil || c.stamp != i.Stamp {
			c = &check{}
		}
		p.take(i, c.read)
		return
	}
	left := &check{path: i.Path, stamp: f.identity.Stamp, proof: f.identity.Proof, done: make(chan struct{})}
	left.program = left.changed()
	left.settle()
	f.identity, f.tried = i, false
	switch c := f.other; {
	case c != nil && c.stamp == i.Stamp:
		if c.proof == (firewall.Proof{}) && !c.queued {
			p.push(&p.later, c)
		}
		f.tried, f.other = true, nil
		c.settle()
	case i.Strict && i.Stamp != left.stamp:
		f.other = left // need not be read again
	}
}

// take has an identity count for a path that had none; the prover's lock is
// held.
func (p *Prover) take(i firewall.Identity, read firewall.Reading) {
	f := p.know(i)
	if i.Proof == (firewall.Proof{}) && read != nil {
		f.tried = true
		p.push(&p.later, newCheck(firewall.Program{Path: i.Path}, i.Stamp, read))
	}
}
