package persistence

import (
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// Change is a change of rules, mode or settings, and who made it.
type Change struct {
	Time    time.Time `json:"time"`
	UID     int       `json:"uid"`
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Text    string    `json:"text"` // what was changed
	// ID is the number under which the change is kept, 0 if it changed nothing
	// or is not kept; the journal sets it.
	ID  ChangeID     `json:"id,omitempty"`
	Way firewall.Way `json:"way,omitempty"`
	// Automatic: the engine made it by itself.
	Automatic bool   `json:"automatic,omitempty"`
	User      string `json:"user,omitempty"`   // as in firewall.Author
	Import    bool   `json:"import,omitempty"` // it took everything from a file, or took that back
	// Carried is the path at which another version took a program's place,
	// where that is the change.
	Carried string `json:"carried,omitempty"`
}

// Update does what [Store.Update] does, and has the change's line in the log
// with it: whenever the engine is killed, both are there or neither.
func (j *Journal) Update(u Update, c Change) ([]firewall.Rule, error) {
	return j.store.updateIn(j.noting(c), u)
}

// Replace does what [Store.Replace] does, with its line as in Update.
func (j *Journal) Replace(d Document, c Change) ([]firewall.Rule, []firewall.RuleID, error) {
	return j.store.replaceIn(j.noting(c), d)
}

// noting is a transaction that notes the change too. A log that is damaged
// keeps nobody from changing a rule: the line waits then, as with Note.
func (j *Journal) noting(c Change) transaction {
	return func(f func(tx *bbolt.Tx, t *trail) error) error {
		c.Time = c.Time.UTC()
		line, noted := Line{Change: &c}, false
		j.writing.Lock()
		defer j.writing.Unlock()
		err := j.store.update(func(tx *bbolt.Tx) (err error) {
			var t trail
			if err := f(tx, &t); err != nil {
				return err
			}
			if c.ID, err = t.number(tx); err != nil {
				return err
			}
			noted = note(tx, &line) == nil
			return t.keep(tx, c, line.ID)
		})
		switch {
		case err != nil:
			return err
		case noted:
			j.tell([]Line{line})
		default:
			j.Note(c)
		}
		return nil
	}
}

// note adds a line to the log. The next batch keeps the log within its bounds.
func note(tx *bbolt.Tx, l *Line) error {
	w, err := newLogWriter(tx)
	if err != nil {
		return err
	}
	if err := w.add(l); err != nil {
		return err
	}
	return w.finish()
}
