package process

import (
	"iter"
	"path/filepath"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// maxChain is how many ancestors are looked at.
const maxChain = 6

// Ancestor is a process that started another, or started what did.
type Ancestor struct {
	PID    int
	Name   string
	Path   string // of its executable
	Unit   string // as Facts.Unit
	Script string // the path of the file that it runs, where it is an interpreter and that is known
	Inline bool   // it is an interpreter of code in its command line or input
}

// chain is what started the process: up to the service manager, which only
// counts as a parent.
func chain(p *process.Process, started time.Time) (all []Ancestor) {
	for a := range ancestors(p, started) {
		if isManager(a) && len(all) > 0 {
			break
		}
		all = append(all, a)
	}
	return all
}

// ancestors gives what started the process, the parent first; at most maxChain.
func ancestors(p *process.Process, started time.Time) iter.Seq[Ancestor] {
	return func(yield func(Ancestor) bool) {
		for range maxChain {
			pid, err := p.Ppid()
			if err != nil || pid <= 0 {
				return
			}
			// A parent is older than its child: a younger process reuses the PID.
			parent, since, err := find(int(pid))
			if err != nil || since.After(started) {
				return
			}
			a := ancestor(parent)
			// The child of one that ended meanwhile has another parent now.
			if again, err := p.Ppid(); err != nil || again != pid || !yield(a) {
				return
			}
			p, started = parent, since
		}
	}
}

// StarterOf is the path of what started the process pid that was started at
// that time: the script that its parent runs, or the parent's executable. Code
// in a command line, and the same program again, count as what started them. It
// is empty if that is not known, or if the path is another file where the
// engine looks.
func StarterOf(pid int, started time.Time) string {
	p, since, err := find(pid)
	if err != nil || since.Sub(started).Abs() > tolerance {
		return ""
	}
	_, path := nameAndPath(p)
	for a := range ancestors(p, since) {
		if a.Inline || a.Path == path && a.Script == "" {
			continue
		}
		if !seesOurFiles(a.PID) {
			return ""
		}
		if a.Script == "" {
			return a.Path
		}
		file, err := filepath.EvalSymlinks(a.Script)
		if err != nil {
			return ""
		}
		return file
	}
	return ""
}

func ancestor(p *process.Process) Ancestor {
	a := Ancestor{PID: int(p.Pid), Unit: unitOfProcess(int(p.Pid))}
	a.Name, a.Path = nameAndPath(p)
	if isInterpreter(a.Path) {
		a.Script, a.Inline = scriptOf(p, a.Path)
	}
	return a
}

// isManager tells whether the process starts services and sessions for all.
func isManager(a Ancestor) bool {
	name := lastPart(a.Path)
	return a.PID == 1 || name == "systemd" || name == "init" || name == "services.exe" || name == "wininit.exe" || name == "winlogon.exe"
}

// Title is what to call it: the script that it runs, or its executable.
func (a Ancestor) Title() string {
	switch {
	case a.Script != "":
		return lastPart(a.Script)
	case a.Path != "":
		return lastPart(a.Path)
	}
	return a.Name
}

// Behind is who uses the program to talk for it: a script, or another program
// of the same service or application. A person at a shell and what starts
// programs for a person do not.
func (f Facts) Behind() (Ancestor, bool) {
	for _, a := range f.Chain {
		switch {
		case a.Inline || a.Path == f.Path && a.Script == "": // goes on for whoever started it
		case a.Script != "":
			return a, true
		case !isInterpreter(a.Path) && !isManager(a) && a.Unit != "" && a.Unit == f.Unit && !isLogin(a.Unit):
			return a, true
		default:
			return Ancestor{}, false
		}
	}
	return Ancestor{}, false
}
