package persistence

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// A step brings a database from one format to the next.
type step func(tx *bbolt.Tx) error

// steps lead from format 1, the first, to the present one: steps[0] makes
// format 2 of format 1.
var steps = []step{
	func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(identitiesBucket) // of programs that rules name; filled as they are met
		return err
	},
	func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(changesBucket) // what was changed before is not known
		return err
	},
}

// migrate takes a database of the format from through the steps that it lacks,
// in one transaction with the new format's number. It returns [ErrNewer] if
// there is no step for what the database is.
func migrate(tx *bbolt.Tx, from int, steps []step) error {
	present := len(steps) + 1
	if from > present {
		return fmt.Errorf("format %d, this version knows up to %d: %w", from, present, ErrNewer)
	}
	if from < 1 {
		return fmt.Errorf("format %d never was", from)
	}
	for i, s := range steps[from-1:] {
		if err := s(tx); err != nil {
			return fmt.Errorf("migrate format %d to %d: %w", from+i, from+i+1, err)
		}
	}
	if from == present {
		return nil
	}
	return put(tx.Bucket(metaBucket), formatKey, present)
}
