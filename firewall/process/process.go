// Package process tells facts about running processes: what they are called,
// who runs them, what started them, and when they end. What cannot be read
// stays empty; nothing is guessed.
package process

import (
	"context"
	"errors"
	"time"
)

// ErrGone: no such process runs, or its PID belongs to another one by now.
var ErrGone = errors.New("the process is gone")

// Facts is what is known of a process. Fields that are not known are empty.
type Facts struct {
	PID        int
	Name       string
	Path       string // of the executable, as the process's own mount namespace names it
	Command    string // the command line, arguments separated by spaces
	Parent     int    // PID of the parent; 0 if not known
	ParentName string
	ParentPath string
	UID        int    // -1 if not known
	User       string // name of UID; "" if it has none
	Started    time.Time
}

// Of reads the facts of a running process.
func Of(pid int) (Facts, error) { panic("being built") }

// Wait returns nil when the process pid that was started at that time has
// ended, at once if it has already, or ctx's error. A zero started waits for
// whatever process has the PID now.
func Wait(ctx context.Context, pid int, started time.Time) error { panic("being built") }
