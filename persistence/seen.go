package persistence

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// Seen is a program that was seen while the mode was allow.
type Seen struct {
	Program   string // as in Rule.Program
	Direction firewall.Direction
	First     time.Time
	Last      time.Time
	Count     uint64
}

type seenText struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count uint64    `json:"count"`
}

func seenKey(program string, d firewall.Direction) []byte {
	return []byte(d.String() + " " + program)
}

func decodeSeen(k, v []byte) (seen Seen, err error) {
	for _, d := range []firewall.Direction{firewall.Out, firewall.In} {
		prefix := d.String() + " "
		if len(k) > len(prefix) && string(k[:len(prefix)]) == prefix {
			var t seenText
			err := unseal(k, v, &t)
			return Seen{string(k[len(prefix):]), d, t.First, t.Last, t.Count}, err
		}
	}
	return seen, errors.New("its name makes no sense")
}

// Seen returns the programs seen, in the order of their names.
func (s *Store) Seen() (all []Seen, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(seenBucket).ForEach(func(k, v []byte) error {
			one, err := decodeSeen(k, v)
			all = append(all, one)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read programs seen: %w", err)
	}
	return all, nil
}

// CountSeen returns how many programs were seen.
func (s *Store) CountSeen() (n int, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		n = tx.Bucket(seenBucket).Stats().KeyN
		return nil
	})
	return n, err
}

// maxSeen is how many programs are remembered at most: a computer that builds
// programs runs new ones without end, and a person is to look at the list.
const maxSeen = 5000

func collect(tx *bbolt.Tx, e firewall.Entry) error {
	if !e.Program.Lasting() {
		return nil
	}
	id := e.Program.ID()
	b, key := tx.Bucket(seenBucket), seenKey(id, e.Direction)
	if b.Get(key) == nil && b.Stats().KeyN >= maxSeen {
		if err := forgetOldest(b); err != nil {
			return err
		}
	}
	t := seenText{First: e.Time.UTC()}
	if err := take(b, key, &t); err != nil {
		return err
	}
	t.Last, t.Count = e.Time.UTC(), t.Count+uint64(max(1, e.Count))
	return put(b, key, t)
}

// forgetOldest removes the program that was not seen for the longest time.
func forgetOldest(b *bbolt.Bucket) error {
	var key []byte
	var last time.Time
	err := b.ForEach(func(k, v []byte) error {
		if one, err := decodeSeen(k, v); err != nil || key == nil || one.Last.Before(last) {
			key, last = k, one.Last
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.Delete(slices.Clone(key))
}

func unsee(tx *bbolt.Tx, programs []string, trail *trail) error {
	for _, p := range programs {
		for _, d := range []firewall.Direction{firewall.Out, firewall.In} {
			b, key := tx.Bucket(seenBucket), seenKey(p, d)
			trail.changes(seenBucket, key, b.Get(key), nil)
			if err := b.Delete(key); err != nil {
				return err
			}
		}
	}
	return nil
}
