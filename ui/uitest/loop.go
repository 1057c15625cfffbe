package uitest

import (
	"sync"
	"testing"
	"time"
)

// patience is how long Until waits for what should happen.
const patience = 10 * time.Second

// Loop stands for Fyne's goroutine in a test: what the windows want to do
// there is queued, and the test's own goroutine does it.
type Loop struct {
	mu    sync.Mutex
	queue []func()
	more  chan struct{}
}

// NewLoop makes an empty loop.
func NewLoop() *Loop { return &Loop{more: make(chan struct{}, 1)} }

// Do queues a function; it is [ui.Options].Do.
func (l *Loop) Do(f func()) {
	l.mu.Lock()
	l.queue = append(l.queue, f)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// Run does what is queued now and returns how much that was.
func (l *Loop) Run() int {
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	for _, f := range queue {
		f()
	}
	return len(queue)
}

// Until does what is queued, and what gets queued, until a condition holds. It
// fails the test if that takes too long.
func (l *Loop) Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if l.Run(); holds() {
			return
		}
		select {
		case <-l.more:
		case <-late.C:
			t.Fatalf("%s: did not happen within %v", what, patience)
		}
	}
}
