package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	batchDelay  = 200 * time.Millisecond // from the first entry of a batch to its writing
	retryDelay  = time.Second            // after a failure
	backupDelay = 10 * time.Second       // from a change to its backup: a person answers several questions in a row
	trimDelay   = 10 * time.Minute       // between looks at the age of an idle log
	queueBound  = 1 << 16                // entries that wait for the disk
	batchBound  = 1 << 10                // entries of one transaction: an answer waits for it to end
)

// Journal writes the activity log in batches, counts how often rules were
// used, keeps the log within its bounds and backs up the rules. Append,
// AppendKnown, Collect and Note may be called from any goroutine and never wait
// for the disk; Update and Replace do.
type Journal struct {
	// Written, if set before Run, is called with lines once they are stored,
	// oldest first, one call at a time.
	Written func([]Line)
	// Log gets diagnostics; nil uses slog.Default().
	Log *slog.Logger

	store   *Store
	wake    chan struct{}
	flushes chan chan struct{}

	writing sync.Mutex // held while lines are stored and told: both in the order of their numbers

	mu      sync.Mutex // guards what follows: held for moments only
	queue   []Line
	seen    map[string]firewall.Entry
	lessons map[lesson]learnedText // without To
	lost    uint64
	trouble map[string]string // by what fails: "log", "backup"
}

// NewJournal makes the store's journal; there must be only one. Nothing is
// written before Run.
func NewJournal(s *Store) *Journal {
	return &Journal{store: s, wake: make(chan struct{}, 1), flushes: make(chan chan struct{}),
		seen: map[string]firewall.Entry{}, lessons: map[lesson]learnedText{}, trouble: map[string]string{}}
}

// Append queues an entry. If the queue is full, because the disk is too slow
// or fails, the entry is counted in Lost.
func (j *Journal) Append(e firewall.Entry) { j.add(Line{Entry: e}) }

// AppendKnown is Append for an entry of whose process more is known. known says
// what by the time when the entry is written; it is called from the goroutine of
// Run, and returns after a moment at the latest.
func (j *Journal) AppendKnown(e firewall.Entry, known func() (warnings, facts []string)) {
	j.add(Line{Entry: e, known: known})
}

// Note queues a change. It is never dropped for want of room.
func (j *Journal) Note(c Change) {
	c.Time = c.Time.UTC()
	j.add(Line{Change: &c})
}

func (j *Journal) add(l Line) {
	j.mu.Lock()
	if l.Change == nil && len(j.queue) >= queueBound {
		j.lost += uint64(max(1, l.Entry.Count))
	} else {
		j.queue = append(j.queue, l)
	}
	j.mu.Unlock()
	j.poke()
}

// Collect counts the entry's program among those seen.
func (j *Journal) Collect(e firewall.Entry) {
	if !e.Program.Lasting() {
		return
	}
	key := string(seenKey(e.Program.ID(), e.Direction))
	j.mu.Lock()
	e.Count = max(1, e.Count) + j.seen[key].Count
	j.seen[key] = e
	j.mu.Unlock()
	j.poke()
}

func (j *Journal) poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Flush returns when everything appended before is stored or lost.
func (j *Journal) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case j.flushes <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lost counts entries that could not be written.
func (j *Journal) Lost() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lost
}

// Trouble is the sentence about what fails at the moment, "" if nothing does.
func (j *Journal) Trouble() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(j.trouble)), "; ")
}

// Run writes what was appended, a batch at least every 250 ms, until ctx ends;
// then it writes what is left and returns.
func (j *Journal) Run(ctx context.Context) error {
	if j.Log == nil {
		j.Log = slog.Default()
	}
	var write, backup <-chan time.Time
	trim := time.NewTicker(trimDelay)
	defer trim.Stop()
	for {
		select {
		case <-j.wake:
			if write == nil {
				write = time.After(batchDelay)
			}
		case <-write:
			write = nil
			if j.write() != nil {
				write = time.After(retryDelay)
			}
		case done := <-j.flushes:
			j.write()
			close(done)
		case <-j.store.stale:
			if backup == nil {
				backup = time.After(backupDelay)
			}
		case <-backup:
			backup = nil
			_, err := j.store.Backup()
			if j.report("backup", err); err != nil {
				backup = time.After(time.Minute)
			}
		case <-trim.C:
			j.trimOld()
		case <-ctx.Done():
			err := j.write()
			if err != nil {
				j.mu.Lock()
				j.lost += uint64(len(j.queue))
				j.mu.Unlock()
			}
			_, backupErr := j.store.Backup()
			return errors.Join(err, backupErr)
		}
	}
}

// write stores all that waits. What cannot be stored waits on.
func (j *Journal) write() error {
	for {
		j.mu.Lock()
		n := min(len(j.queue), batchBound)
		b := batch{lines: slices.Clone(j.queue[:n])} // the queue moves while the batch is written
		for _, e := range j.seen {
			b.seen = append(b.seen, e)
		}
		taken := j.seen
		j.seen = map[string]firewall.Entry{}
		b.lessons = j.lessons
		j.lessons = map[lesson]learnedText{}
		j.mu.Unlock()
		if n == 0 && len(b.seen) == 0 && len(b.lessons) == 0 {
			return nil
		}
		for i := range b.lines {
			if l := &b.lines[i]; l.known != nil {
				l.Warnings, l.Facts = l.known()
				l.known = nil
			}
		}
		err := j.writeBatch(b)
		j.mu.Lock()
		if err == nil {
			j.queue = j.queue[n:]
			if len(j.queue) == 0 {
				j.queue = nil // gives a burst's memory back
			}
		} else {
			for key, e := range taken {
				e.Count += j.seen[key].Count
				j.seen[key] = e
			}
			for l, t := range b.lessons {
				more := j.lessons[l]
				t.Count += more.Count
				if more.Last.After(t.Last) {
					t.Last = more.Last
				}
				j.lessons[l] = t
			}
		}
		j.mu.Unlock()
		if err != nil {
			err = fmt.Errorf("the activity log cannot be written: %w", err)
		}
		if j.report("log", err); err != nil {
			return err
		}
	}
}

// writeBatch stores a batch and tells of its lines.
func (j *Journal) writeBatch(b batch) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if err := j.store.log(b); err != nil {
		return err
	}
	j.tell(b.lines)
	return nil
}

func (j *Journal) tell(lines []Line) {
	if j.Written != nil && len(lines) > 0 {
		j.Written(lines)
	}
}

// log stores a batch within the bounds that the settings give.
func (s *Store) log(b batch) error {
	bounds, err := s.Settings()
	if err != nil {
		return err
	}
	return s.writeBatch(b, bounds, time.Now())
}

// trimOld removes lines that grew too old while nothing was written.
func (j *Journal) trimOld() {
	bounds, err := j.store.Settings()
	if err != nil {
		j.report("log", err)
		return
	}
	if at, err := j.store.oldestLine(); err == nil && !at.IsZero() && time.Since(at) > bounds.LogMaxAge {
		j.report("log", j.store.log(batch{}))
	}
}

// report keeps what fails, for Trouble, until it works again; nil is that.
func (j *Journal) report(what string, err error) {
	j.mu.Lock()
	before := j.trouble[what]
	delete(j.trouble, what)
	if err != nil {
		j.trouble[what] = err.Error()
	}
	j.mu.Unlock()
	if err != nil && before != err.Error() {
		j.Log.Error("journal", "err", err)
	}
}
