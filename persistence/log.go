package persistence

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// LineID numbers the lines of the log; it grows with time and is never used
// twice. Zero is no line.
type LineID uint64

// Line is a line of the log as it is stored: either an entry or a change.
type Line struct {
	ID     LineID
	Entry  firewall.Entry
	Change *Change // nil for an entry
}

// Change is a change of rules, mode or settings, and who made it.
type Change struct {
	Time    time.Time
	UID     int
	PID     int
	Program string
	Text    string // what was changed
}

// Query selects lines. Zero fields select everything.
type Query struct {
	Program string // a program's [LogName]
	Before  LineID // only lines older than this one
	Since   time.Time
	Match   func(Line) bool // further conditions; lines that fail do not count towards Limit
	Limit   int             // at most so many lines; 0: 100
}

// LogName is the name under which a program's lines are found: its ID, or
// "unidentified".
func LogName(p firewall.Program) string { panic("being built") }

// Log returns matching lines, newest first. Without Match its cost depends on
// the number of lines returned only.
func (s *Store) Log(q Query) ([]Line, error) { panic("being built") }

// Count returns the number of lines in the log.
func (s *Store) Count() (int, error) { panic("being built") }
