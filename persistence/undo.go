package persistence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// Errors of [Journal.Undo]: nothing was changed.
var (
	ErrNoChange  = errors.New("no such change is kept")
	ErrUndone    = errors.New("it was taken back already")
	ErrConflict  = errors.New("something else was changed since")
	ErrNothing   = errors.New("nothing of it is left")
	ErrAutomatic = errors.New("the engine made it by itself")
)

// Undone is what taking a change back made true.
type Undone struct {
	Put        []firewall.Rule // as they are stored
	Remove     []firewall.RuleID
	Identities []firewall.Identity
}

// Undo takes a change back: what it changed becomes what it was before, all or
// nothing, in one transaction with its line in the log. It is refused if
// something of that was changed since. An undo is a change that can be undone.
func (j *Journal) Undo(id ChangeID, c Change) (done Undone, err error) {
	err = j.noting(c)(func(tx *bbolt.Tx, trail *trail) error {
		k := number(uint64(id))
		v := tx.Bucket(changesBucket).Get(k)
		if v == nil {
			return ErrNoChange
		}
		t, err := decodeChange(k, v)
		if err != nil {
			return err
		}
		if err := t.hindrance(tx); err != nil {
			return err
		}
		trail.undoes, trail.undone = id, &t
		if t.Undoes != 0 {
			k := number(uint64(t.Undoes))
			if v := tx.Bucket(changesBucket).Get(k); v != nil {
				again, err := decodeChange(k, v)
				if err != nil {
					return err
				}
				trail.redo = &again
			}
		}
		u, err := t.reverse(tx)
		if err != nil {
			return err
		}
		done.Put, err = u.apply(tx, trail)
		done.Remove, done.Identities = u.Remove, u.Identities
		if err != nil {
			return err
		}
		return t.putBack(tx, trail)
	})
	if err != nil {
		return Undone{}, fmt.Errorf("undo change %d: %w", id, err)
	}
	j.store.touch()
	return done, nil
}

// hindrance is why a change cannot be taken back; nil if it can.
func (t *changeText) hindrance(tx *bbolt.Tx) error {
	switch {
	case t.Change.Automatic:
		return ErrAutomatic
	case t.Undone != 0:
		return fmt.Errorf("%w, by change %d", ErrUndone, t.Undone)
	}
	left := false
	for _, e := range t.Edits {
		now := e.now(tx)
		switch {
		case e.follows() || e.isEndOfMode() || e.same(now, e.Before):
		case e.same(now, e.After):
			left = true
		case e.isTimedMode(): // it has ended
		case now == nil:
			return fmt.Errorf("%w: %s is gone", ErrConflict, e.what())
		default:
			return fmt.Errorf("%w: %s is another one now", ErrConflict, e.what())
		}
	}
	if !left {
		return ErrNothing
	}
	return nil
}

// follows tells whether the record is one that changes by itself, too: it
// becomes what it was as far as that makes sense.
func (e edit) follows() bool {
	return e.Bucket != string(rulesBucket) && e.Bucket != string(settingsBucket) && e.Bucket != string(networksBucket)
}

// now is the record as it is; nil: there is none.
func (e edit) now(tx *bbolt.Tx) json.RawMessage {
	b := tx.Bucket([]byte(e.Bucket))
	if b == nil { // that of the networks is made when it is needed
		return nil
	}
	return textIn(b.Get(e.Key))
}

// same tells whether two states of the record are the same as far as a change
// can take them back. A rule that ends at a time is the same whatever another
// start of the computer's clock says then.
func (e edit) same(a, b json.RawMessage) bool {
	if e.Bucket == string(networksBucket) {
		return sameZone(a, b)
	}
	if e.Bucket != string(rulesBucket) || len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) {
		return bytes.Equal(a, b)
	}
	lasts := func(text json.RawMessage) []byte {
		var t ruleText
		if json.Unmarshal(text, &t) != nil {
			return text
		}
		t.Until, _, _ = strings.Cut(t.Until, "@")
		text, _ = json.Marshal(t)
		return text
	}
	return bytes.Equal(lasts(a), lasts(b))
}

func (e edit) isTimedMode() bool {
	return e.Bucket == string(settingsBucket) && string(e.Key) == TimedSetting
}

// isEndOfMode tells whether the edit ended a mode that was to end by itself:
// nobody gets that back by an undo.
func (e edit) isEndOfMode() bool { return e.isTimedMode() && len(e.After) == 0 }

func (e edit) what() string {
	switch {
	case e.Bucket == string(networksBucket):
		return fmt.Sprintf("network %s", e.Key)
	case e.Bucket == string(rulesBucket):
		return fmt.Sprintf("rule %s", e.Key)
	case string(e.Key) == ModeSetting:
		return "the mode"
	}
	return fmt.Sprintf("setting %s", e.Key)
}

// reverse is the update that takes the change back. What is already as before
// stays untouched.
func (t *changeText) reverse(tx *bbolt.Tx) (u Update, err error) {
	u.Settings = map[string]string{}
	for _, e := range t.Edits {
		now := e.now(tx)
		if e.same(now, e.Before) || e.isEndOfMode() {
			continue
		}
		switch e.Bucket {
		case string(rulesBucket):
			r, err := e.rule(e.Before)
			switch {
			case err != nil:
				return u, err
			case r == nil:
				u.Remove = append(u.Remove, firewall.RuleID(e.Key))
			default:
				u.Put = append(u.Put, *r)
			}
		case string(settingsBucket):
			value, err := setting(e.Before)
			switch {
			case err != nil:
				return u, err
			case e.isTimedMode():
				u.Timed = &TimedMode{}
			case value == nil && string(e.Key) == ModeSetting:
				u.Unset, u.Timed = append(u.Unset, ModeSetting), &TimedMode{}
			case value == nil:
				u.Unset = append(u.Unset, string(e.Key))
			case string(e.Key) == ModeSetting:
				u.Mode = new(firewall.Mode)
				if err := u.Mode.UnmarshalText([]byte(*value)); err != nil {
					return u, err
				}
			default:
				u.Settings[string(e.Key)] = *value
			}
		case string(identitiesBucket):
			// Without one before, the file that is met next would count: the
			// one that a person meant stays.
			if len(e.Before) == 0 {
				continue
			}
			i, err := identityIn(e.Key, e.Before)
			if err != nil {
				return u, err
			}
			u.Identities = append(u.Identities, i)
		case string(networksBucket):
			if err := u.zoneBack(e, now); err != nil {
				return u, err
			}
		}
	}
	return u, nil
}

func identityIn(key []byte, text json.RawMessage) (firewall.Identity, error) {
	sealed, err := seal(key, text)
	if err != nil {
		return firewall.Identity{}, err
	}
	return decodeIdentity(key, sealed)
}

// putBackToo are the buckets whose records come back with what a person changed.
var putBackToo = []string{string(seenBucket), string(learnedBucket), string(usedBucket)}

// putBack puts back the programs that were taken from those seen, what was taken
// from what was learned, and how often rules were used that are there again.
func (t *changeText) putBack(tx *bbolt.Tx, trail *trail) error {
	for _, e := range t.Edits {
		b := tx.Bucket([]byte(e.Bucket))
		if b == nil || !slices.Contains(putBackToo, e.Bucket) || len(e.Before) == 0 || !bytes.Equal(textIn(b.Get(e.Key)), e.After) {
			continue
		}
		if e.Bucket == string(usedBucket) && tx.Bucket(rulesBucket).Get(e.Key) == nil {
			continue
		}
		value, err := seal(e.Key, e.Before)
		if err != nil {
			return err
		}
		trail.changes([]byte(e.Bucket), e.Key, b.Get(e.Key), value)
		if err := b.Put(e.Key, value); err != nil {
			return err
		}
	}
	return nil
}
