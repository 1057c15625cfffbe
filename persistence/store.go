package persistence

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// Errors of [Open]. Both leave the file as it is.
var (
	// ErrNewer: the file was written by a newer version of Sallyport.
	ErrNewer = errors.New("the database is of a newer version of Sallyport")
	// ErrLocked: another engine uses the file.
	ErrLocked = errors.New("the database is in use by another engine")
)

// Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	path   string
	db     *bbolt.DB
	lock   *os.File
	failed atomic.Pointer[error] // set once bbolt has panicked: its locks cannot be trusted any more

	backup sync.Mutex    // one backup at a time
	stale  chan struct{} // holds a token while rules or settings may differ from the newest backup
}

// Close releases the file. The [Journal] must have ended before.
func (s *Store) Close() error {
	var err error
	if s.failed.Load() == nil {
		err = guard(s.db.Close)
	}
	return errors.Join(err, s.lock.Close())
}

// view runs f in a reading transaction.
func (s *Store) view(f func(tx *bbolt.Tx) error) error {
	return s.guarded(func() error { return s.db.View(f) })
}

// transaction runs a function in one durable transaction. The function says in
// its trail what it changes; nil: nobody wants to know.
type transaction func(f func(tx *bbolt.Tx, t *trail) error) error

// untold is a transaction of which there is no history.
func (s *Store) untold(f func(tx *bbolt.Tx, t *trail) error) error {
	return s.update(func(tx *bbolt.Tx) error { return f(tx, nil) })
}

// update runs f in a writing transaction, which is on disk when it returns.
func (s *Store) update(f func(tx *bbolt.Tx) error) error {
	return s.guarded(func() error { return s.db.Update(f) })
}

func (s *Store) guarded(f func() error) error {
	if e := s.failed.Load(); e != nil {
		return *e
	}
	err := guard(f)
	if p := (*panicError)(nil); errors.As(err, &p) {
		err = fmt.Errorf("the database failed and is closed until the engine starts again: %w", err)
		s.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// panicError is a panic or a fault in mapped memory, as an error.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.value) }

// guard turns panics of f into errors, and also faults: bbolt reads mapped
// memory, and a page that the disk cannot deliver raises SIGBUS.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v}
		}
	}()
	return f()
}
