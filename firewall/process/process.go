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

// maxCommand is how many bytes of a command line are kept.
const maxCommand = 4096

// Facts is what is known of a process. Fields that are not known are empty.
// Names, command lines and variables are what the process made of them.
type Facts struct {
	PID     int
	Name    string
	Path    string     // of the executable, as the process's own mount namespace names it
	Command string     // the command line, arguments separated by spaces; at most 4096 bytes
	Chain   []Ancestor // what started it, the parent first; at most 6
	UID     int        // -1 if not known
	User    string     // name of UID; "" if it has none; with its domain on Windows
	Started time.Time

	// Where it runs, and what surrounds it: the container and File on Windows too.
	Terminal   string   // "pts/3"; "session 1" on Windows
	Rights     string   // on Windows, where they are not a person's usual ones: "elevated", "system", "low integrity"
	Unit       string   // of systemd: "backup.service", "session-2.scope"
	Container  string   // "docker 3f2a1b4c5d6e", "flatpak org.example.App", "an app container"
	Namespaces []string // "mount", "pid", "user": those that are not the engine's
	Loader     []string // what the dynamic linker is told to load: "LD_PRELOAD=/tmp/x.so"
	File       File

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
	f.Command = f.Command[:min(len(f.Command), maxCommand)]
	f.Chain = chain(p, started)
	f.surround()
	if !Runs(pid, started) {
		return Facts{PID: pid, UID: -1}, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	return f, nil
}

// File is what is known of a process's executable beside its path.
type File struct {
	Changed    time.Time // when its contents or permissions changed last; zero if not known
	Deleted    bool      // it was deleted, or another file is at its path
	MemoryOnly bool      // it never was in a file system (memfd_create)
	// Internet tells that the file says that it came from the internet, on
	// Windows, and Source from which host, if it says that too.
	Internet bool
	Source   string
	// Writer may change what is at the path of the executable, by writing to
	// Writable, which is the file or a folder above: "anyone", or the name or
	// number of a user other than root. Both are empty if nobody else may.
	Writer, Writable string
}

// anyone is the Writer of what every user may change.
const anyone = "anyone"

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

// Runs tells whether the process pid that was started at that time runs; a
// zero started stands for whatever process has the PID.
func Runs(pid int, started time.Time) bool {
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
