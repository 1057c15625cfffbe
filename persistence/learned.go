package persistence

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// Learned is where a program went that mode learn let pass.
type Learned struct {
	Program   string // as in Rule.Program
	Direction firewall.Direction
	First     time.Time
	Last      time.Time
	Count     uint64
	To        []Destination // at most maxDestinations, the oldest first
	More      bool          // it went to others, too
}

// Destination is one that a program went to, or for inbound flows, its own port
// to which others came from anywhere.
type Destination struct {
	Protocol firewall.Protocol `json:"protocol"`
	Host     string            `json:"host,omitempty"`  // the name, if it was known
	Remote   netip.Addr        `json:"remote,omitzero"` // else the address
	Port     uint16            `json:"port,omitempty"`  // 0 for protocols without ports
	Count    uint64            `json:"count,omitempty"`
}

// same tells whether both are the same destination.
func (d Destination) same(o Destination) bool {
	d.Count = o.Count
	return d == o
}

const (
	maxLearned      = 2000 // programs; later ones are not learned
	maxDestinations = 64   // of one program
	maxWaiting      = 4096 // destinations that wait for the disk; of more only the program is kept
)

var learnedBucket = []byte("learned") // made when something is learned first

type learnedText struct {
	First time.Time     `json:"first"`
	Last  time.Time     `json:"last"`
	Count uint64        `json:"count"`
	To    []Destination `json:"to"`
	More  bool          `json:"more,omitempty"`
}

// lesson is what one entry teaches.
type lesson struct {
	program   string
	direction firewall.Direction
	to        Destination
	more      bool // to is not known
}

func lessonOf(e firewall.Entry) lesson {
	l := lesson{program: e.Program.ID(), direction: e.Direction, to: Destination{Protocol: e.Protocol}}
	if e.Direction == firewall.In {
		l.to.Port = e.Local.Port()
		return l
	}
	if l.to.Host = e.Host; e.Host == "" {
		l.to.Remote = e.Remote.Addr().Unmap().WithZone("")
	}
	l.to.Port = e.Remote.Port()
	return l
}

// Learn collects where the entry's program went. A program that cannot have
// rules teaches nothing.
func (j *Journal) Learn(e firewall.Entry) {
	if !e.Program.Lasting() {
		return
	}
	l := lessonOf(e)
	j.mu.Lock()
	if _, ok := j.lessons[l]; !ok && len(j.lessons) >= maxWaiting {
		l.to, l.more = Destination{}, true
	}
	t := j.lessons[l]
	if t.First.IsZero() {
		t.First = e.Time.UTC()
	}
	t.Last, t.Count = e.Time.UTC(), t.Count+uint64(max(1, e.Count))
	j.lessons[l] = t
	j.mu.Unlock()
	j.poke()
}

// learn adds lessons to what is stored.
func learn(tx *bbolt.Tx, lessons map[lesson]learnedText) error {
	if len(lessons) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(learnedBucket)
	if err != nil {
		return err
	}
	left := maxLearned - b.Stats().KeyN
	for l, with := range lessons {
		key := seenKey(l.program, l.direction)
		t := learnedText{First: with.First}
		if b.Get(key) == nil {
			if left--; left < 0 {
				continue
			}
		} else if take(b, key, &t) != nil {
			t = learnedText{First: with.First} // what cannot be read taught nothing
		}
		if with.First.Before(t.First) {
			t.First = with.First
		}
		if with.Last.After(t.Last) {
			t.Last = with.Last
		}
		t.Count += with.Count
		t.add(l, with.Count)
		if err := put(b, key, t); err != nil {
			return err
		}
	}
	return nil
}

func (t *learnedText) add(l lesson, count uint64) {
	i := slices.IndexFunc(t.To, l.to.same)
	switch {
	case l.more:
		t.More = true
	case i >= 0:
		t.To[i].Count += count
	case len(t.To) >= maxDestinations:
		t.More = true
	default:
		l.to.Count = count
		t.To = append(t.To, l.to)
	}
}

// Learned returns what was learned, in the order of the programs' names. What
// cannot be read is left out.
func (s *Store) Learned() (all []Learned, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(learnedBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			var t learnedText
			d, program, ok := bytes.Cut(k, []byte{' '})
			l := Learned{Program: string(program)}
			if ok && l.Direction.UnmarshalText(d) == nil && unseal(k, v, &t) == nil {
				l.First, l.Last, l.Count, l.To, l.More = t.First, t.Last, t.Count, t.To, t.More
				all = append(all, l)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read what was learned: %w", err)
	}
	slices.SortFunc(all, func(a, b Learned) int {
		return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.Direction, b.Direction))
	})
	return all, nil
}

// CountLearned returns of how many programs something was learned.
func (s *Store) CountLearned() (n int, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(learnedBucket); b != nil {
			n = b.Stats().KeyN
		}
		return nil
	})
	return n, err
}

// unlearn takes destinations away from what was learned: those of each To, and
// the program as a whole once none is left.
func unlearn(tx *bbolt.Tx, all []Learned, trail *trail) error {
	b := tx.Bucket(learnedBucket)
	if b == nil {
		return nil
	}
	for _, l := range all {
		key := seenKey(l.Program, l.Direction)
		if b.Get(key) == nil {
			continue
		}
		var t learnedText
		if take(b, key, &t) == nil {
			t.To = slices.DeleteFunc(t.To, func(d Destination) bool { return slices.ContainsFunc(l.To, d.same) })
			t.More = t.More && !l.More
			if len(t.To) > 0 || t.More {
				value, err := seal(key, t)
				if err != nil {
					return err
				}
				trail.changes(learnedBucket, key, b.Get(key), value)
				if err := b.Put(key, value); err != nil {
					return err
				}
				continue
			}
		}
		trail.changes(learnedBucket, key, b.Get(key), nil)
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
