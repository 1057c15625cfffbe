package windivert

import "sync"

// mailbox takes items from any goroutine for one that reads them. Whoever puts
// something in never waits; what is put in is bounded by the tables that it
// comes from.
type mailbox[T any] struct {
	mu    sync.Mutex
	items []T
	wake  chan struct{} // has an item when there is something to take
}

// newMailbox makes a mailbox that wakes its reader by the channel, which has
// room for one item.
func newMailbox[T any](wake chan struct{}) *mailbox[T] { return &mailbox[T]{wake: wake} }

func (m *mailbox[T]) put(item T) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take returns everything in order, and leaves the mailbox empty.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}

func (m *mailbox[T]) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items)
}
