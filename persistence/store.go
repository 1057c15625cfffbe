package persistence

import (
	"errors"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Errors of [Open]. Both leave the file as it is.
var (
	// ErrNewer: the file was written by a newer version of Sallyport.
	ErrNewer = errors.New("the database is of a newer version of Sallyport")
	// ErrLocked: another engine uses the file.
	ErrLocked = errors.New("the database is in use by another engine")
)

// Store is an open database. Its methods may be called from any goroutine.
type Store struct{}

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
func (r Report) Notes() []string { panic("being built") }

// Open opens the database at path and makes its folder (0700) and the file
// (0600) where they are missing. A damaged file is set aside and the newest
// good backup restored, which the report tells; a file of a newer version is
// refused untouched (ErrNewer); one that another engine uses is refused after
// two seconds (ErrLocked).
func Open(path string) (*Store, Report, error) { panic("being built") }

// Close releases the file. The [Journal] must have ended before.
func (s *Store) Close() error { panic("being built") }

// Rules returns all rules, oldest first, with their hits and last use.
func (s *Store) Rules() ([]firewall.Rule, error) { panic("being built") }

// PutRules adds or replaces rules (by ID) and removes others, in one
// transaction that is on disk when it returns: all or nothing. Rules without
// an ID get one that was never used before, and without a Created the present
// time; it returns the rules put as they are stored. Removing what does not
// exist is no error.
func (s *Store) PutRules(put []firewall.Rule, remove []firewall.RuleID) ([]firewall.Rule, error) {
	panic("being built")
}

// Update is several changes that become true together.
type Update struct {
	Put      []firewall.Rule   // as in PutRules
	Remove   []firewall.RuleID // as in PutRules
	Settings map[string]string // as in SetSetting
	Mode     *firewall.Mode    // as in SetMode
	Unsee    []string          // programs to take from those seen
}

// Update makes all changes of u in one durable transaction, or none. It
// returns the rules put as they are stored.
func (s *Store) Update(u Update) ([]firewall.Rule, error) { panic("being built") }

// Mode returns the stored mode; chosen is false until a person chose one.
func (s *Store) Mode() (m firewall.Mode, chosen bool, err error) { panic("being built") }

// SetMode stores the mode that a person chose.
func (s *Store) SetMode(m firewall.Mode) error { panic("being built") }

// Seen is a program that was seen while the mode was allow.
type Seen struct {
	Program   string // as in Rule.Program
	Direction firewall.Direction
	First     time.Time
	Last      time.Time
	Count     uint64
}

// Seen returns the programs seen, in the order of their names.
func (s *Store) Seen() ([]Seen, error) { panic("being built") }

// Backup writes a verified backup of rules and settings if they differ from
// the newest one, and returns its path, or "" if there was nothing to do. The
// [Journal] calls it a moment after each change.
func (s *Store) Backup() (string, error) { panic("being built") }
