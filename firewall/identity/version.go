package identity

import (
	"regexp"

	"sallyport.dev/sallyport/firewall"
)

// version is what tells the paths of versions apart: /opt/app-1.2.3/app.
var version = regexp.MustCompile(`[0-9]+(?:[._][0-9]+)*`)

// versionless is a program with a mark in the place of each version in its path,
// or "" if it has none.
func versionless(program string) string {
	name := version.ReplaceAllLiteralString(program, "\x00")
	if name == program {
		return ""
	}
	return name
}

// meet notes the file of a program that no rule names; the prover's lock is
// held. If it may be another version of one that rules name, it is read, and
// settled is closed then. The path alone tells nothing.
func (p *Prover) meet(met firewall.Program, s firewall.Stamp, read firewall.Reading) (settled <-chan struct{}) {
	id := met.ID()
	c := p.met[id]
	if c == nil || c.stamp != s {
		if len(p.met) >= maxMet {
			clear(p.met)
		}
		c = newCheck(met, s, read)
		p.met[id] = c
		if p.o.Moved != nil && p.mayContinue(id) {
			p.push(&p.soon, c)
		} else {
			c.settle()
		}
	}
	if c.settled {
		return nil
	}
	return c.done
}

// mayContinue tells whether rules name another version of a program that has
// more proof than its content, or none yet; the prover's lock is held.
func (p *Prover) mayContinue(program string) bool {
	for _, other := range p.versions[versionless(program)] {
		if proof := p.files[other].identity.Proof; proof == (firewall.Proof{}) || proof.Package != "" || proof.Signer != "" {
			return true
		}
	}
	return false
}

// continued is the program that rules name of which the file is another
// version; the prover's lock is held.
func (p *Prover) continued(c *check) (firewall.Identity, bool) {
	if p.o.Moved == nil || p.met[c.id] != c {
		return firewall.Identity{}, false
	}
	for _, other := range p.versions[versionless(c.id)] {
		if i := p.files[other].identity; !i.Strict && p.o.Named(other) && c.proof.Continues(i.Proof) {
			return i, true
		}
	}
	return firewall.Identity{}, false
}

// Resembles returns the path of a program that rules name, of which the one at
// path looks like another version, or "". Nothing proves it: else rules would name
// that one too.
func (p *Prover) Resembles(path string) (other string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.files[path] != nil {
		return ""
	}
	for _, one := range p.versions[versionless(path)] {
		if p.o.Named(one) {
			other = one // the last that was met
		}
	}
	return other
}
