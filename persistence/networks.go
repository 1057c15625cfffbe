package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// networksBucket is made when the first network is stored.
var networksBucket = []byte("networks")

// Network is a network that this computer was on, or addresses that a person
// put into a zone.
type Network struct {
	ID       string         // as package networks has it, or the one prefix
	Zone     firewall.Zone  // AnyZone: nobody has said yet what it is
	Name     string         // of the interface
	Prefixes []netip.Prefix // as seen last
	First    time.Time
	Last     time.Time
}

type networkText struct {
	Zone     firewall.Zone  `json:"zone,omitempty"`
	Name     string         `json:"name,omitempty"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
	First    time.Time      `json:"first"`
	Last     time.Time      `json:"last"`
}

// Limits of what is stored: a computer that is carried about meets new networks
// without end.
const (
	maxNetworks  = 4096
	maxNetworkID = 256
)

func validNetwork(n Network) error {
	switch {
	case n.ID == "" || len(n.ID) > maxNetworkID:
		return fmt.Errorf("network %.80q: want from 1 to %d bytes", n.ID, maxNetworkID)
	case n.Zone > firewall.BlockedZone || n.Zone == firewall.ThisComputer:
		return fmt.Errorf("network %s: zone %q: want trusted, internet or blocked", n.ID, n.Zone)
	}
	for _, p := range n.Prefixes {
		if !p.IsValid() {
			return fmt.Errorf("network %s: a prefix makes no sense", n.ID)
		}
	}
	return nil
}

func decodeNetwork(k, v []byte) (Network, error) {
	var t networkText
	if err := unseal(k, v, &t); err != nil {
		return Network{}, err
	}
	n := Network{string(k), t.Zone, t.Name, t.Prefixes, t.First, t.Last}
	return n, validNetwork(n)
}

// Networks returns the networks in the order of their IDs.
func (s *Store) Networks() (all []Network, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(networksBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			n, err := decodeNetwork(k, v)
			all = append(all, n)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the networks: %w", err)
	}
	return all, nil
}

// PutNetworks adds or replaces networks (by ID), in one durable transaction.
func (s *Store) PutNetworks(put []Network) error {
	if err := s.update(func(tx *bbolt.Tx) error { return changeNetworks(tx, put, nil, nil) }); err != nil {
		return fmt.Errorf("store the networks: %w", err)
	}
	s.touch()
	return nil
}

var errTooManyNetworks = errors.New("too many networks are known: forget some")

// changeNetworks notes in the trail, if there is one, whose zone changes: what
// else is known of a network changes by itself.
func changeNetworks(tx *bbolt.Tx, puts []Network, forget []string, trail *trail) error {
	if len(puts)+len(forget) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(networksBucket)
	if err != nil {
		return err
	}
	noteZone := func(id string, after []byte) {
		if before := b.Get([]byte(id)); !sameZone(textIn(before), textIn(after)) {
			trail.changes(networksBucket, []byte(id), before, after)
		}
	}
	for _, id := range forget {
		noteZone(id, nil)
		if err := b.Delete([]byte(id)); err != nil {
			return err
		}
	}
	for _, n := range puts {
		if err := validNetwork(n); err != nil {
			return err
		}
		if b.Get([]byte(n.ID)) == nil && b.Stats().KeyN >= maxNetworks {
			return errTooManyNetworks
		}
		value, err := seal([]byte(n.ID), networkText{n.Zone, n.Name, n.Prefixes, n.First.UTC(), n.Last.UTC()})
		if err != nil {
			return err
		}
		noteZone(n.ID, value)
		if err := b.Put([]byte(n.ID), value); err != nil {
			return err
		}
	}
	return nil
}

// networkIn is a network as a change has its record; nil: it was not known.
func networkIn(key []byte, text json.RawMessage) (*Network, error) {
	if len(text) == 0 {
		return nil, nil
	}
	sealed, err := seal(key, text)
	if err != nil {
		return nil, err
	}
	n, err := decodeNetwork(key, sealed)
	return &n, err
}

// zoneIn is the zone in a network's record; of one that is not known, AnyZone.
func zoneIn(text json.RawMessage) (z firewall.Zone, ok bool) {
	n, err := networkIn([]byte("?"), text)
	if n != nil {
		z = n.Zone
	}
	return z, err == nil
}

// sameZone tells whether two records say the same of what a network is.
func sameZone(a, b json.RawMessage) bool {
	za, oka := zoneIn(a)
	zb, okb := zoneIn(b)
	return oka && okb && za == zb
}

// zoneBack is the update that puts back what a network was. It stays known
// where it was met since.
func (u *Update) zoneBack(e edit, now json.RawMessage) error {
	before, err := networkIn(e.Key, e.Before)
	if err != nil {
		return err
	}
	is, err := networkIn(e.Key, now)
	switch {
	case err != nil:
		return err
	case before == nil:
		u.Forget = append(u.Forget, string(e.Key))
		return nil
	case is != nil:
		is.Zone = before.Zone
		before = is
	}
	u.Networks = append(u.Networks, *before)
	return nil
}
