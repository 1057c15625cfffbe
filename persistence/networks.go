package persistence

import (
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
	if err := s.update(func(tx *bbolt.Tx) error { return changeNetworks(tx, put, nil) }); err != nil {
		return fmt.Errorf("store the networks: %w", err)
	}
	s.touch()
	return nil
}

var errTooManyNetworks = errors.New("too many networks are known: forget some")

func changeNetworks(tx *bbolt.Tx, puts []Network, forget []string) error {
	if len(puts)+len(forget) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(networksBucket)
	if err != nil {
		return err
	}
	for _, id := range forget {
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
		if err := put(b, []byte(n.ID), networkText{n.Zone, n.Name, n.Prefixes, n.First.UTC(), n.Last.UTC()}); err != nil {
			return err
		}
	}
	return nil
}
