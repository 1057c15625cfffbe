package netfilter

import (
	"os"
	"sync"
)

// gate lets nobody use what is closed, nor close what is used. The zero gate is
// open.
type gate struct {
	mu     sync.RWMutex
	closed bool
}

// with calls use, or returns [os.ErrClosed]. use must not wait for a file system,
// nor enter the gate again.
func (g *gate) with(use func() error) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return os.ErrClosed
	}
	return use()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
