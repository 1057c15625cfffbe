package process

import (
	"sync"
	"time"
)

// Signature is who signed an executable, as the system has verified it, and
// which product it says to be. It is zero if it is not signed, or by somebody
// whom the system does not trust.
type Signature struct{ Signer, Product string }

const (
	trustReaders = 2    // verified at once
	maxTrusted   = 4096 // files remembered
	// distrust is how long a file counts as not signed before it is verified
	// again: the system may have learned of its signer's root since.
	distrust = time.Hour
)

// trust remembers the signatures of files by K, which tells every version of a
// file from every other. A file is verified once for all who ask meanwhile.
type trust[K comparable] struct {
	mu    sync.Mutex
	files map[K]*trusted
	slots chan struct{}
}

// trusted is what is known of a file.
type trusted struct {
	Signature
	at   time.Time
	done chan struct{} // closed when it was verified; Signature and at may be looked at then
}

// stale tells whether the file is to be verified again.
func (one *trusted) stale() bool {
	s, known := one.now()
	return known && s == (Signature{}) && time.Since(one.at) >= distrust
}

func newTrust[K comparable]() *trust[K] {
	return &trust[K]{files: map[K]*trusted{}, slots: make(chan struct{}, trustReaders)}
}

// of returns what is known of a file, which verify reads if nobody has: that
// takes as long as to read all of it.
func (t *trust[K]) of(file K, verify func() Signature) *trusted {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.files[file]
	if one == nil || one.stale() {
		if len(t.files) >= maxTrusted {
			clear(t.files) // those that run are soon there again
		}
		one = &trusted{done: make(chan struct{})}
		t.files[file] = one
		go t.learn(one, verify)
	}
	return one
}

// now is the signature; known is false while the file is being verified.
func (one *trusted) now() (s Signature, known bool) {
	select {
	case <-one.done:
		return one.Signature, true
	default:
		return s, false
	}
}

// wait is the signature, once the file was verified.
func (one *trusted) wait() Signature {
	<-one.done
	return one.Signature
}

func (t *trust[K]) learn(one *trusted, verify func() Signature) {
	t.slots <- struct{}{}
	defer func() { <-t.slots }()
	one.Signature, one.at = verify(), time.Now()
	close(one.done)
}
