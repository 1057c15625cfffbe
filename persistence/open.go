package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// lockPatience is how long Open waits for another engine to end.
const lockPatience = 2 * time.Second

// Report says what [Open] found. The zero Report is an ordinary start.
type Report struct {
	Created  bool   // there was no database: the first start
	Migrated int    // the format that the file had before it was brought up to date; 0 if it was up to date
	Damage   string // why the file could not be used; "" if it could
	SetAside string // where the damaged file is now; "" if there was none
	Restored string // the backup that was restored; "" if none was, or none was needed
	Rules    int    // how many rules the restored backup has
	// Records tells of single records that could not be read and were set
	// aside within the database.
	Records []string
}

// Notes returns the sentences that a person must be told, none after an
// ordinary start.
func (r Report) Notes() []string {
	var notes []string
	if r.Damage != "" {
		note := "The database could not be used: " + r.Damage + "."
		if r.SetAside != "" {
			note += " It was set aside as " + r.SetAside + "."
		}
		if r.Restored != "" {
			note += fmt.Sprintf(" %d rules and the settings were restored from %s.", r.Rules, r.Restored)
		} else {
			note += " There was no good backup: rules and settings are lost."
		}
		notes = append(notes, note)
	}
	for _, record := range r.Records {
		notes = append(notes, "A record could not be read and was set aside: "+record+".")
	}
	return notes
}

// Open opens the database at path and makes its folder (0700) and the file
// (0600) where they are missing. A damaged file is set aside and the newest
// good backup restored, which the report tells; a file of a newer version is
// refused untouched (ErrNewer); one that another engine uses is refused after
// two seconds (ErrLocked).
func Open(path string) (*Store, Report, error) {
	s := &Store{path: path, stale: make(chan struct{}, 1)}
	report, err := s.open()
	if err != nil {
		if s.lock != nil {
			s.lock.Close()
		}
		return nil, report, fmt.Errorf("open database %s: %w", path, err)
	}
	s.touch()
	return s, report, nil
}

func (s *Store) open() (r Report, err error) {
	if err := makeFolder(filepath.Dir(s.path), filepath.Base(s.path)); err != nil {
		return r, err
	}
	if err := s.takeLock(); err != nil {
		return r, err
	}
	info, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(s.backups()) == 0:
		r.Created = true
		if err := create(s.path, Document{}); err != nil {
			return r, err
		}
	case errors.Is(err, fs.ErrNotExist):
		if err := s.restore(&r, errors.New("the file is missing though there are backups")); err != nil {
			return r, err
		}
	case err != nil:
		return r, err
	case !info.Mode().IsRegular():
		return r, errors.New("it is not a file")
	}
	if err = s.load(&r); err != nil && isDamage(err) {
		if err := s.restore(&r, err); err != nil {
			return r, err
		}
		err = s.load(&r)
	}
	return r, err
}

// isDamage tells damage from what may be well at the next start.
func isDamage(err error) bool {
	return !errors.Is(err, ErrNewer) && !errors.Is(err, ErrLocked) && !errors.Is(err, berrors.ErrTimeout) &&
		!errors.Is(err, fs.ErrPermission) && !outOfRoom(err)
}

func (s *Store) takeLock() error {
	f, err := os.OpenFile(s.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.lock = f
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		if ok, err := tryLock(f); ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return ErrLocked
		}
	}
}

// load opens the file that is there and reads all that must be readable.
func (s *Store) load(r *Report) error {
	if err := checkFile(s.path); err != nil {
		return err
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		return err
	}
	err := guard(func() (err error) {
		s.db, err = openBolt(s.path)
		return err
	})
	if err != nil {
		return err
	}
	if err := guard(func() error { return s.inspect(r) }); err != nil {
		guard(s.db.Close)
		return err
	}
	return nil
}

func openBolt(path string) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, FreelistType: bbolt.FreelistMapType, NoStatistics: true})
}

// inspect migrates the database and checks its records.
func (s *Store) inspect(r *Report) error {
	var format int
	err := s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil || meta.Get(formatKey) == nil {
			return errNotBolt
		}
		if err := take(meta, formatKey, &format); err != nil {
			return fmt.Errorf("its format cannot be read: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if format != len(steps)+1 {
		if err := s.db.Update(func(tx *bbolt.Tx) error { return migrate(tx, format, steps) }); err != nil {
			return err
		}
		r.Migrated = format
	}
	var bad []badRecord
	if err := s.db.View(func(tx *bbolt.Tx) (err error) {
		bad, err = audit(tx)
		return err
	}); err != nil || len(bad) == 0 {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, b := range bad {
			if err := b.setAside(tx); err != nil {
				return err
			}
			r.Records = append(r.Records, b.String())
		}
		return countRules(tx)
	})
}

// restore sets the damaged file aside and puts the newest good backup, or else
// a new database, in its place.
func (s *Store) restore(r *Report, damage error) error {
	r.Damage = damage.Error()
	now := time.Now().UTC().Format(stamp)
	if _, err := os.Lstat(s.path); err == nil {
		aside := s.path + ".damaged-" + now
		if err := os.Rename(s.path, aside); err != nil {
			return fmt.Errorf("set the damaged file aside: %w", err)
		}
		r.SetAside = aside
	}
	var d Document
	for _, name := range s.backups() {
		good, err := readBackup(name)
		if err != nil {
			r.Records = append(r.Records, fmt.Sprintf("backup %s: %v", name, err))
			continue
		}
		d, r.Restored, r.Rules = good, name, len(good.Rules)
		break
	}
	return create(s.path, d)
}

// create makes a new database with what the document holds. It appears under
// its name only when it is complete and on disk.
func create(path string, d Document) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(fresh)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if err := put(tx.Bucket(metaBucket), formatKey, len(steps)+1); err != nil {
			return err
		}
		if err := put(tx.Bucket(metaBucket), logKey, logSize{}); err != nil {
			return err
		}
		_, _, err := replace(tx, d, nil)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		os.Remove(fresh)
		return fmt.Errorf("make a new database: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
