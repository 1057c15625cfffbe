package persistence

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// identityText is an identity as it is stored; the key is its program, as
// bytes: a path need not be UTF-8.
type identityText struct {
	Proof  proofText `json:"proof,omitzero"`
	Before proofText `json:"before,omitzero"`
	Stamp  stampText `json:"stamp,omitzero"`
	Since  time.Time `json:"since,omitzero"`
	From   []byte    `json:"from,omitempty"` // bytes, as the key
	Strict bool      `json:"strict,omitempty"`
}

type proofText struct {
	SHA256  string `json:"sha256,omitempty"`
	Package string `json:"package,omitempty"`
	Version string `json:"version,omitempty"`
	Signer  string `json:"signer,omitempty"`
	Product string `json:"product,omitempty"`
}

type stampText struct {
	Device     uint32 `json:"device"`
	Generation uint32 `json:"generation"`
	Inode      uint64 `json:"inode"`
	Changed    int64  `json:"changed"`
	Size       int64  `json:"size,omitempty"`
	Written    int64  `json:"written,omitempty"`
	Number     int64  `json:"number,omitempty"`
}

// validIdentity tells whether an identity may be stored.
func validIdentity(i firewall.Identity) error {
	switch {
	case !strings.HasPrefix(i.Program, "/") && !strings.Contains(i.Program, `\`) && !strings.HasPrefix(i.Program, "script:") && !contained(i.Program):
		return fmt.Errorf("identity of %q: want an absolute path, one in a container, or a script as rules name it", i.Program)
	case i.Stamp != (firewall.Stamp{}) && i.Since.IsZero():
		return fmt.Errorf("identity of %s: it does not say since when", i.Program)
	}
	return errors.Join(validProof(i.Proof), validProof(i.Before))
}

func contained(path string) bool {
	_, _, ok := firewall.InContainer(path)
	return ok
}

func validProof(p firewall.Proof) error {
	const digits = "0123456789abcdef"
	switch {
	case p.SHA256 != "" && (len(p.SHA256) != 64 || strings.Trim(p.SHA256, digits) != ""):
		return fmt.Errorf("digest %q: want 64 hexadecimal digits", p.SHA256)
	case p.SHA256 == "" && p != (firewall.Proof{}):
		return errors.New("a proof without a digest")
	case (p.Signer == "") != (p.Product == ""):
		return errors.New("a signer without a product, or a product without a signer")
	}
	return nil
}

func decodeIdentity(key, value []byte) (firewall.Identity, error) {
	var t identityText
	if err := unseal(key, value, &t); err != nil {
		return firewall.Identity{}, err
	}
	i := firewall.Identity{
		Program: string(key), Proof: firewall.Proof(t.Proof), Before: firewall.Proof(t.Before), Stamp: firewall.Stamp(t.Stamp), Since: t.Since, From: string(t.From), Strict: t.Strict,
	}
	return i, validIdentity(i)
}

// Identities returns what is known of programs, in the order of their names in
// rules.
func (s *Store) Identities() (all []firewall.Identity, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(identitiesBucket).ForEach(func(k, v []byte) error {
			i, err := decodeIdentity(k, v)
			all = append(all, i)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the identities of programs: %w", err)
	}
	return all, nil
}

// PutIdentities adds or replaces identities (by program) and forgets those of
// other programs, in one transaction that is on disk when it returns.
func (s *Store) PutIdentities(put []firewall.Identity, forget []string) error {
	err := s.update(func(tx *bbolt.Tx) error {
		for _, program := range forget {
			if err := tx.Bucket(identitiesBucket).Delete([]byte(program)); err != nil {
				return err
			}
		}
		return putIdentities(tx, put, nil)
	})
	if err != nil {
		return fmt.Errorf("store what programs are: %w", err)
	}
	return nil
}

func putIdentities(tx *bbolt.Tx, all []firewall.Identity, trail *trail) error {
	for _, i := range all {
		if err := validIdentity(i); err != nil {
			return err
		}
		t := identityText{proofText(i.Proof), proofText(i.Before), stampText(i.Stamp), i.Since.UTC(), []byte(i.From), i.Strict}
		key, b := []byte(i.Program), tx.Bucket(identitiesBucket)
		value, err := seal(key, t)
		if err != nil {
			return err
		}
		trail.changes(identitiesBucket, key, b.Get(key), value)
		if err := b.Put(key, value); err != nil {
			return err
		}
	}
	return nil
}
