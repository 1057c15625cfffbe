package persistence

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

var (
	metaBucket     = []byte("meta")
	rulesBucket    = []byte("rules")
	usedBucket     = []byte("used")
	settingsBucket = []byte("settings")
	seenBucket     = []byte("seen")
	logBucket      = []byte("log")
	programsBucket = []byte("programs")
	indexBucket    = []byte("index")
	asideBucket    = []byte("aside")

	identitiesBucket = []byte("identities")
	changesBucket    = []byte("changes")

	buckets = [][]byte{metaBucket, rulesBucket, usedBucket, settingsBucket, seenBucket, logBucket, programsBucket, indexBucket, asideBucket, identitiesBucket, changesBucket}

	formatKey = []byte("format")
	tallyKey  = []byte("rules")
	logKey    = []byte("log")
)

// put seals v under the key.
func put(b *bbolt.Bucket, key []byte, v any) error {
	value, err := seal(key, v)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

// take reads what put wrote; a missing record leaves v as it is.
func take(b *bbolt.Bucket, key []byte, v any) error {
	value := b.Get(key)
	if value == nil {
		return nil
	}
	return unseal(key, value, v)
}

// tally tells whether rules were lost: how many there are, and the sum of the
// checksums of their keys and values.
type tally struct {
	Count uint64 `json:"count"`
	Sum   uint64 `json:"sum"`
}

func tallyRules(tx *bbolt.Tx) (t tally, err error) {
	err = tx.Bucket(rulesBucket).ForEach(func(k, v []byte) error {
		t.Count++
		t.Sum += uint64(checksum(k, v))
		return nil
	})
	return t, err
}

func countRules(tx *bbolt.Tx) error {
	t, err := tallyRules(tx)
	if err != nil {
		return err
	}
	return put(tx.Bucket(metaBucket), tallyKey, t)
}

type badRecord struct {
	bucket, key []byte
	err         error
}

func (b badRecord) String() string { return fmt.Sprintf("%s %q: %v", b.bucket, b.key, b.err) }

// setAside moves the record's value to the bucket of those that cannot be read.
func (b badRecord) setAside(tx *bbolt.Tx) error {
	from := tx.Bucket(b.bucket)
	key := append(append(append([]byte{}, b.bucket...), '/'), b.key...)
	if err := tx.Bucket(asideBucket).Put(key, append([]byte{}, from.Get(b.key)...)); err != nil {
		return err
	}
	if bytes.Equal(b.bucket, identitiesBucket) { // whatever file is there now is not proven to be the program
		return put(from, b.key, identityText{})
	}
	return from.Delete(b.key)
}

// audit reads every record but those of the log, which are checked when they
// are read. It returns the bad ones, or an error if more is wrong than that.
func audit(tx *bbolt.Tx) ([]badRecord, error) {
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return nil, fmt.Errorf("its part %q is missing", name)
		}
	}
	var bad []badRecord
	readable := map[string]func(k, v []byte) error{
		string(rulesBucket):    func(k, v []byte) error { _, err := decodeRule(k, v); return err },
		string(usedBucket):     func(k, v []byte) error { return unseal(k, v, new(usage)) },
		string(settingsBucket): func(k, v []byte) error { return unseal(k, v, new(string)) },
		string(seenBucket):     func(k, v []byte) error { _, err := decodeSeen(k, v); return err },

		string(identitiesBucket): func(k, v []byte) error { _, err := decodeIdentity(k, v); return err },
		string(changesBucket):    func(k, v []byte) error { _, err := decodeChange(k, v); return err },
		string(networksBucket):   func(k, v []byte) error { _, err := decodeNetwork(k, v); return err },
	}
	for _, name := range [][]byte{rulesBucket, usedBucket, settingsBucket, seenBucket, identitiesBucket, changesBucket, networksBucket} {
		if tx.Bucket(name) == nil {
			continue // no network was stored yet
		}
		err := tx.Bucket(name).ForEach(func(k, v []byte) error {
			if err := readable[string(name)](k, v); err != nil {
				bad = append(bad, badRecord{name, append([]byte{}, k...), err})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var want tally
	if err := take(tx.Bucket(metaBucket), tallyKey, &want); err != nil {
		return nil, fmt.Errorf("the tally of its rules cannot be read: %w", err)
	}
	if err := take(tx.Bucket(metaBucket), logKey, new(logSize)); err != nil {
		return nil, fmt.Errorf("the size of its log cannot be read: %w", err)
	}
	have, err := tallyRules(tx)
	if err != nil {
		return nil, err
	}
	if have.Count != want.Count || have.Sum != want.Sum && len(bad) == 0 {
		return nil, fmt.Errorf("rules are lost: it has %d of %d", have.Count, want.Count)
	}
	return bad, nil
}
