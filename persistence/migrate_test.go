package persistence

import (
	"errors"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
)

func TestMigrationGoesStepByStep(t *testing.T) {
	path, _ := filled(t)
	db, err := openBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ran []int
	steps := []step{
		func(*bbolt.Tx) error { ran = append(ran, 1); return nil },
		func(tx *bbolt.Tx) error {
			ran = append(ran, 2)
			return tx.Bucket(metaBucket).Put([]byte("new"), []byte("x"))
		},
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return migrate(tx, 1, steps) }); err != nil || !slices.Equal(ran, []int{1, 2}) {
		t.Error(ran, err)
	}
	db.View(func(tx *bbolt.Tx) error {
		var format int
		if err := take(tx.Bucket(metaBucket), formatKey, &format); format != 3 || err != nil {
			t.Error(format, err)
		}
		return nil
	})
	failing := append(steps, func(*bbolt.Tx) error { return errors.New("no") })
	if err := db.Update(func(tx *bbolt.Tx) error { return migrate(tx, 3, failing) }); err == nil {
		t.Error("a failed step passes")
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return migrate(tx, 4, steps) }); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
}
