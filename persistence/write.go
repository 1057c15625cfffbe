package persistence

import (
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// trimStep is how many lines a batch removes at most, beside as many as it
// adds: a smaller bound takes effect bit by bit.
const trimStep = 2000

// batch is what the journal writes in one transaction.
type batch struct {
	lines []Line // without ID; writeBatch sets it
	seen  []firewall.Entry

	lessons map[lesson]learnedText // without To
}

// writeBatch stores the batch and removes what exceeds the bounds.
func (s *Store) writeBatch(b batch, bounds Settings, now time.Time) error {
	return s.update(func(tx *bbolt.Tx) error {
		w, err := newLogWriter(tx)
		if err != nil {
			return err
		}
		used := map[firewall.RuleID]usage{}
		for i := range b.lines {
			if err := w.add(&b.lines[i]); err != nil {
				return err
			}
			if e := b.lines[i].Entry; b.lines[i].Change == nil && e.Reason == firewall.ByRule && e.Rule != "" {
				u := used[e.Rule]
				u.Hits += uint64(max(1, e.Count))
				if e.Time.After(u.Last) {
					u.Last = e.Time
				}
				used[e.Rule] = u
			}
		}
		for id, more := range used {
			if err := addUse(tx, id, more); err != nil {
				return err
			}
		}
		for _, e := range b.seen {
			if err := collect(tx, e); err != nil {
				return err
			}
		}
		if err := learn(tx, b.lessons); err != nil {
			return err
		}
		if err := w.trim(len(b.lines)+trimStep, uint64(bounds.LogMaxBytes), now.Add(-bounds.LogMaxAge)); err != nil {
			return err
		}
		return w.finish()
	})
}

func addUse(tx *bbolt.Tx, id firewall.RuleID, more usage) error {
	key := []byte(id)
	if tx.Bucket(rulesBucket).Get(key) == nil {
		return nil
	}
	var u usage
	if err := take(tx.Bucket(usedBucket), key, &u); err != nil {
		return err
	}
	u.Hits += more.Hits
	if more.Last.After(u.Last) {
		u.Last = more.Last.UTC()
	}
	return put(tx.Bucket(usedBucket), key, u)
}

// logWriter adds and removes lines within one transaction.
type logWriter struct {
	tx         *bbolt.Tx
	log, index *bbolt.Bucket
	size       logSize
	programs   map[string]*programText // those that changed
}

func newLogWriter(tx *bbolt.Tx) (*logWriter, error) {
	w := &logWriter{tx: tx, log: tx.Bucket(logBucket), index: tx.Bucket(indexBucket), programs: map[string]*programText{}}
	return w, take(tx.Bucket(metaBucket), logKey, &w.size)
}

// cost is what a line takes of the log's bound: key and value in the log, and
// the key in the index.
func cost(value []byte) uint64 { return uint64(8 + len(value) + 16) }

func (w *logWriter) program(name string) (*programText, error) {
	if p := w.programs[name]; p != nil {
		return p, nil
	}
	p := new(programText)
	w.programs[name] = p
	return p, take(w.tx.Bucket(programsBucket), []byte(name), p)
}

func (w *logWriter) add(l *Line) error {
	id, err := w.log.NextSequence()
	if err != nil {
		return err
	}
	l.ID = LineID(id)
	key := number(id)
	value, err := seal(key, l.text())
	if err != nil {
		return err
	}
	w.log.FillPercent = 0.95 // keys only grow
	if err := w.log.Put(key, value); err != nil {
		return err
	}
	w.size.Lines++
	w.size.Bytes += cost(value)
	if l.Change != nil {
		return nil
	}
	p, err := w.program(LogName(l.Entry.Program))
	if err != nil {
		return err
	}
	if p.Number == 0 {
		if p.Number, err = w.index.NextSequence(); err != nil {
			return err
		}
	}
	p.Lines++
	return w.index.Put(append(number(p.Number), key...), []byte{})
}

// trim removes the oldest lines while the log is too large or they are too
// old, but at most so many.
func (w *logWriter) trim(most int, bytes uint64, oldest time.Time) error {
	var gone [][]byte
	size := w.size
	c := w.log.Cursor()
	for k, v := c.First(); k != nil && len(gone) < most; k, v = c.Next() {
		if size.Bytes <= bytes && !decodeLine(k, v).time().Before(oldest) {
			break
		}
		size.Lines--
		size.Bytes -= min(size.Bytes, cost(v))
		gone = append(gone, append([]byte{}, k...))
	}
	for _, key := range gone {
		if l := decodeLine(key, w.log.Get(key)); l.Change == nil {
			p, err := w.program(LogName(l.Entry.Program))
			if err != nil {
				return err
			}
			p.Lines -= min(p.Lines, 1)
			if err := w.index.Delete(append(number(p.Number), key...)); err != nil {
				return err
			}
		}
		if err := w.log.Delete(key); err != nil {
			return err
		}
	}
	w.size = size
	return nil
}

func (w *logWriter) finish() error {
	b := w.tx.Bucket(programsBucket)
	for name, p := range w.programs {
		if p.Lines == 0 {
			if err := b.Delete([]byte(name)); err != nil {
				return err
			}
		} else if err := put(b, []byte(name), p); err != nil {
			return err
		}
	}
	return put(w.tx.Bucket(metaBucket), logKey, w.size)
}

// oldestLine is the time of the oldest line; zero if there is none.
func (s *Store) oldestLine() (at time.Time, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		if k, v := tx.Bucket(logBucket).Cursor().First(); len(k) == binary.Size(uint64(0)) {
			at = decodeLine(k, v).time()
		}
		return nil
	})
	return at, err
}
