// Package process tells facts about running processes: what they are called,
// who runs them, what started them, and when they end. What cannot be read
// stays empty; nothing is guessed.
package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// ErrGone: no such process runs, or its PID belongs to another one by now.
var ErrGone = errors.New("the process is gone")

// tolerance is how far two readings of one process's start may lie apart: the
// system tells it from boot, and the time of boot in whole seconds.
const tolerance = 2 * time.Second

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
	User       string // name of UID; "" if it has none; with its domain on Windows
	Started    time.Time

	// What the file says of itself, on Windows: nobody has verified it.
	Product     string // "Firefox"
	Description string // "Host Process for Windows Services"
}

// Of reads the facts of a running process.
func Of(pid int) (Facts, error) {
	f := Facts{PID: pid, UID: -1}
	p, started, err := find(pid)
	if err != nil {
		return f, err
	}
	f.Started = started
	f.Name, f.Path = nameAndPath(p)
	f.describe(p)
	if parent, err := p.Ppid(); err == nil && parent > 0 {
		f.Parent = int(parent)
		// A parent is older than its child: a younger process reuses the PID.
		if pp, ps, err := find(f.Parent); err == nil && !ps.After(started) {
			f.ParentName, f.ParentPath = nameAndPath(pp)
		}
	}
	if !runs(pid, started) {
		return Facts{PID: pid, UID: -1}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	return f, nil
}

func find(pid int) (*process.Process, time.Time, error) {
	if pid <= 0 || pid > 1<<31-1 {
		return nil, time.Time{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	created, err := p.CreateTime() // milliseconds
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	return p, time.UnixMilli(created).UTC(), nil
}

// runs tells whether the process pid that was started at that time runs; a
// zero started stands for whatever process has the PID.
func runs(pid int, started time.Time) bool {
	_, now, err := find(pid)
	return err == nil && (started.IsZero() || now.Sub(started).Abs() <= tolerance)
}

// Wait returns nil when the process pid that was started at that time has
// ended, at once if it has already, or ctx's error. A zero started waits for
// whatever process has the PID now.
func Wait(ctx context.Context, pid int, started time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wait(ctx, pid, started)
}
