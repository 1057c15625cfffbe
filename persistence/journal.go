package persistence

import (
	"context"
	"log/slog"

	"sallyport.dev/sallyport/firewall"
)

// Journal writes the activity log in batches, counts how often rules were
// used, keeps the log within its bounds and backs up the rules. Append,
// Collect and Note may be called from any goroutine and never wait for the
// disk.
type Journal struct {
	// Written, if set before Run, is called with the lines of each batch once
	// they are stored, oldest first, from the goroutine of Run.
	Written func([]Line)
	// Log gets diagnostics; nil uses slog.Default().
	Log *slog.Logger
}

// NewJournal makes the store's journal; there must be only one. Nothing is
// written before Run.
func NewJournal(s *Store) *Journal { panic("being built") }

// Run writes what was appended, a batch at least every 250 ms, until ctx ends;
// then it writes what is left and returns.
func (j *Journal) Run(ctx context.Context) error { panic("being built") }

// Append queues an entry. If the queue is full, because the disk is too slow
// or fails, the entry is counted in Lost.
func (j *Journal) Append(e firewall.Entry) { panic("being built") }

// Collect counts the entry's program among those seen.
func (j *Journal) Collect(e firewall.Entry) { panic("being built") }

// Note queues a change. It is never dropped for want of room.
func (j *Journal) Note(c Change) { panic("being built") }

// Flush returns when everything appended before is stored or lost.
func (j *Journal) Flush(ctx context.Context) error { panic("being built") }

// Lost counts entries that could not be written.
func (j *Journal) Lost() uint64 { panic("being built") }

// Trouble is the sentence about what fails at the moment, "" if nothing does.
func (j *Journal) Trouble() string { panic("being built") }
