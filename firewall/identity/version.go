package identity

import (
	"regexp"

	"sallyport.dev/sallyport/firewall"
)

// version is what tells the paths of versions apart: /opt/app-1.2.3/app.
var version = regexp.MustCompile(`[0-9]+(?:[._][0-9]+)*`)

// versionless is a path with a mark in the place of each version, or "" if it
// has none.
func versionless(path string) string {
	name := version.ReplaceAllLiteralString(path, "\x00")
	if name == path {
		return ""
	}
	return name
}

// meet notes a file at a path that no rule names; the prover's lock is held. If
// it may be another version of a program that rules name, it is read, and
// settled is closed then. The path alone tells nothing.
func (p *Prover) meet(same firewall.Program, s firewall.Stamp, read firewall.Reading) (settled <-chan struct{}) {
	path := same.Path
	c := p.met[path]
	if c == nil || c.stamp != s {
		if len(p.met) >= maxMet {
			clear(p.met)
		}
		c = newCheck(same, s, read)
		p.met[path] = c
		if p.o.Moved != nil && p.mayContinue(path) {
			p.push(&p.soon, c)
		} else {
			c.settle()
		}
	}
	c.signed(same)
	if c.settled {
		return nil
	}
	return c.done
}

// mayContinue tells whether rules name a program at the path of another version
// that has more proof than its content, or none yet; the prover's lock is held.
func (p *Prover) mayContinue(path string) bool {
	for _, other := range p.versions[versionless(path)] {
		if proof := p.files[other].identity.Proof; proof == (firewall.Proof{}) || proof.Package != "" || proof.Signer != "" {
			return true
		}
	}
	return false
}

// continued is the program that rules name of which the file is another
// version; the prover's lock is held.
func (p *Prover) continued(c *check) (firewall.Identity, bool) {
	if p.o.Moved == nil || p.met[c.path] != c {
		return firewall.Identity{}, false
	}
	for _, path := range p.versions[versionless(c.path)] {
		if i := p.files[path].identity; !i.Strict && p.o.Named(path) && c.proof.Continues(i.Proof) {
			return i, true
		}
	}
	return firewall.Identity{}, false
}
