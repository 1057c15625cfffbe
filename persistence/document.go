package persistence

import (
	"fmt"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// Document is what a policy file holds: everything that a person decided. Its
// text is written by [Document.Encode] and read by [DecodeDocument].
type Document struct {
	// LastID is the number of the last rule that got its ID from the store:
	// the ID of a rule that was removed is not given again.
	LastID   uint64
	Mode     *firewall.Mode // nil if nobody chose one
	Settings map[string]string
	// Rules may come without an ID from a file: the store gives them one.
	Rules []firewall.Rule
	// Notes say what of a file does not count on this system.
	Notes []string
}

// Document returns what an export of the store holds.
func (s *Store) Document() (d Document, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		if d.Rules, err = readRules(tx); err != nil {
			return err
		}
		d.LastID = tx.Bucket(rulesBucket).Sequence()
		if d.Settings, err = readSettings(tx); err != nil {
			return err
		}
		m, chosen, err := readMode(tx)
		if chosen {
			d.Mode = &m
		}
		return err
	})
	return d, err
}

// Replace makes the rules and settings those of the document, in one
// transaction: rules that the document does not have are removed, those that
// it has keep their hits. It returns the rules as they are stored, and which
// ones were removed.
func (s *Store) Replace(d Document) (stored []firewall.Rule, removed []firewall.RuleID, err error) {
	return s.replaceIn(s.untold, d)
}

func (s *Store) replaceIn(in transaction, d Document) (stored []firewall.Rule, removed []firewall.RuleID, err error) {
	err = in(func(tx *bbolt.Tx, t *trail) (err error) {
		stored, removed, err = replace(tx, d, t)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("import: %w", err)
	}
	s.touch()
	return stored, removed, nil
}

func replace(tx *bbolt.Tx, d Document, trail *trail) (stored []firewall.Rule, removed []firewall.RuleID, err error) {
	keep := map[string]bool{}
	for _, r := range d.Rules {
		keep[string(r.ID)] = true
	}
	u := Update{Put: d.Rules, Settings: d.Settings, Mode: d.Mode}
	err = tx.Bucket(rulesBucket).ForEach(func(k, _ []byte) error {
		if !keep[string(k)] {
			u.Remove = append(u.Remove, firewall.RuleID(k))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	err = tx.Bucket(settingsBucket).ForEach(func(k, _ []byte) error {
		if _, named := d.Settings[string(k)]; !named && string(k) != ModeSetting && string(k) != TimedSetting {
			u.Unset = append(u.Unset, string(k))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if err := skipIDs(tx, min(d.LastID, maxID)); err != nil {
		return nil, nil, err
	}
	stored, err = u.apply(tx, trail)
	return stored, u.Remove, err
}
