package persistence

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// ChangeID numbers the changes; it grows with time and is never used twice.
// Zero is no change.
type ChangeID uint64

// Bounds of the history: the oldest changes go first, and the newest stays.
const (
	maxChanges     = 1000
	maxChangeBytes = 32 << 20
)

// trail is what a transaction changes, so that it can be taken back.
type trail struct {
	edits        []edit
	at           map[string]int // by bucket and key, where in edits
	id           ChangeID
	undoes       ChangeID
	undone, redo *changeText // records that change with it
}

// edit is a record before and after a change, as JSON; empty: there was none.
type edit struct {
	Bucket string          `json:"b"`
	Key    []byte          `json:"k"` // bytes, since a path need not be UTF-8
	Before json.RawMessage `json:"x,omitempty"`
	After  json.RawMessage `json:"y,omitempty"`
}

// changeText is a change as it is stored; the key has its number.
type changeText struct {
	Change Change   `json:"change"`
	Line   LineID   `json:"line,omitempty"`
	Edits  []edit   `json:"edits"`
	Undoes ChangeID `json:"undoes,omitempty"` // the change that it takes back
	Undone ChangeID `json:"undone,omitempty"` // the change that took it back
}

// kept are the buckets whose records a change may have been of.
var kept = []string{string(rulesBucket), string(usedBucket), string(settingsBucket), string(seenBucket), string(learnedBucket), string(identitiesBucket), string(networksBucket)}

// changes notes that a sealed record is about to be replaced, nil being none.
func (t *trail) changes(bucket, key, before, after []byte) {
	if t == nil || bytes.Equal(before, after) {
		return
	}
	e := edit{Bucket: string(bucket), Key: bytes.Clone(key), Before: textIn(before), After: textIn(after)}
	if i, twice := t.at[e.Bucket+"/"+string(key)]; twice { // removed and put again
		t.edits[i].After = e.After
		return
	}
	if t.at == nil {
		t.at = map[string]int{}
	}
	t.at[e.Bucket+"/"+string(key)] = len(t.edits)
	t.edits = append(t.edits, e)
}

// textIn is the text of a sealed record.
func textIn(sealed []byte) json.RawMessage {
	if len(sealed) < sealSize {
		return nil
	}
	return bytes.Clone(sealed[sealSize:])
}

// number gives the change its number; none if it changed nothing.
func (t *trail) number(tx *bbolt.Tx) (ChangeID, error) {
	if len(t.edits) == 0 {
		return 0, nil
	}
	n, err := tx.Bucket(changesBucket).NextSequence()
	t.id = ChangeID(n)
	return t.id, err
}

// keep stores the change, and lets the oldest ones go.
func (t *trail) keep(tx *bbolt.Tx, c Change, line LineID) error {
	if t.id == 0 {
		return nil
	}
	b := tx.Bucket(changesBucket)
	if err := put(b, number(uint64(t.id)), changeText{c, line, t.edits, t.undoes, 0}); err != nil {
		return err
	}
	if t.undone != nil {
		t.undone.Undone = t.id
		if err := put(b, number(uint64(t.undone.Change.ID)), t.undone); err != nil {
			return err
		}
	}
	if t.redo != nil {
		t.redo.Undone = 0
		if err := put(b, number(uint64(t.redo.Change.ID)), t.redo); err != nil {
			return err
		}
	}
	var gone [][]byte
	n, size := 0, 0
	cursor := b.Cursor()
	for k, v := cursor.Last(); k != nil; k, v = cursor.Prev() {
		n++
		if size += len(v); n > 1 && (n > maxChanges || size > maxChangeBytes) {
			gone = append(gone, bytes.Clone(k))
		}
	}
	for _, k := range gone {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// PastChange is a change that was made, and what it made of what.
type PastChange struct {
	Change
	Line     LineID // of the log; 0 if it has none
	Rules    []RuleEdit
	Settings []SettingEdit
	Networks []NetworkEdit
	Undoes   ChangeID // the change that it takes back
	Undone   ChangeID // the change that took it back
	// Hindrance says why it cannot be taken back now; nil if it can.
	Hindrance error
}

// RuleEdit is a rule before and after a change; nil: there was none.
type RuleEdit struct {
	ID            firewall.RuleID
	Before, After *firewall.Rule
}

// SettingEdit is a setting, the "mode", or a [TimedSetting], before and after a change; nil: it
// was the default, or nobody had chosen a mode.
type SettingEdit struct {
	Name          string
	Before, After *string
}

// OfMode tells whether the change was one of the mode. Taken back, no mode ends
// by itself.
func (p PastChange) OfMode() bool {
	return slices.ContainsFunc(p.Settings, func(s SettingEdit) bool { return s.Name == ModeSetting || s.Name == TimedSetting })
}

// NetworkEdit is a network, or addresses that a person put into a zone, before
// and after a change; nil: it was not known.
type NetworkEdit struct {
	ID            string
	Before, After *Network
}

// Changes returns changes, newest first: at most so many (0: all that are kept),
// those older than before (0: all).
func (s *Store) Changes(before ChangeID, most int) (all []PastChange, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(changesBucket).Cursor()
		if before == 0 {
			before = ^ChangeID(0)
		}
		for k, v := keyBefore(c, number(uint64(before))); k != nil && (most == 0 || len(all) < most); k, v = c.Prev() {
			t, err := decodeChange(k, v)
			if err != nil {
				return err
			}
			all = append(all, t.past(tx))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the changes: %w", err)
	}
	return all, nil
}

// PastChange returns one change; ok is false if it is not kept.
func (s *Store) PastChange(id ChangeID) (p PastChange, ok bool, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		k := number(uint64(id))
		v := tx.Bucket(changesBucket).Get(k)
		if v == nil {
			return nil
		}
		t, err := decodeChange(k, v)
		if err != nil {
			return err
		}
		p, ok = t.past(tx), true
		return nil
	})
	if err != nil {
		err = fmt.Errorf("read change %d: %w", id, err)
	}
	return p, ok, err
}

func decodeChange(k, v []byte) (t changeText, err error) {
	if len(k) != binary.Size(uint64(0)) {
		return t, errors.New("its number makes no sense")
	}
	if err := unseal(k, v, &t); err != nil {
		return t, fmt.Errorf("change %d: %w", binary.BigEndian.Uint64(k), err)
	}
	for _, e := range t.Edits {
		if !slices.Contains(kept, e.Bucket) {
			return t, fmt.Errorf("change %d: %q is nothing that is kept", binary.BigEndian.Uint64(k), e.Bucket)
		}
	}
	t.Change.ID = ChangeID(binary.BigEndian.Uint64(k))
	return t, nil
}

// past shows a stored change.
func (t changeText) past(tx *bbolt.Tx) PastChange {
	p := PastChange{Change: t.Change, Line: t.Line, Undoes: t.Undoes, Undone: t.Undone, Hindrance: t.hindrance(tx)}
	for _, e := range t.Edits {
		if err := p.add(e); err != nil { // by a version that took other rules
			p.Hindrance = errors.Join(p.Hindrance, err)
		}
	}
	return p
}

// add adds an edit, unless it cannot be read any more.
func (p *PastChange) add(e edit) error {
	switch e.Bucket {
	case string(rulesBucket):
		before, err := e.rule(e.Before)
		if err != nil {
			return err
		}
		after, err := e.rule(e.After)
		if err != nil {
			return err
		}
		p.Rules = append(p.Rules, RuleEdit{firewall.RuleID(e.Key), before, after})
	case string(settingsBucket):
		before, err := setting(e.Before)
		if err != nil {
			return err
		}
		after, err := setting(e.After)
		if err != nil {
			return err
		}
		p.Settings = append(p.Settings, SettingEdit{string(e.Key), before, after})
	case string(networksBucket):
		before, err := networkIn(e.Key, e.Before)
		if err != nil {
			return err
		}
		after, err := networkIn(e.Key, e.After)
		if err != nil {
			return err
		}
		p.Networks = append(p.Networks, NetworkEdit{string(e.Key), before, after})
	}
	return nil
}

func (e edit) rule(text json.RawMessage) (*firewall.Rule, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var t ruleText
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("rule %q as it was: %w", e.Key, err)
	}
	r, err := t.rule()
	if err != nil {
		return nil, fmt.Errorf("rule %q as it was: %w", e.Key, err)
	}
	return &r, nil
}

func setting(text json.RawMessage) (*string, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var s string
	err := json.Unmarshal(text, &s)
	return &s, err
}
