package process

import (
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
	Script string // the file that it runs, where it is an interpreter and that is known
	Inline bool   // it is an interpreter of code in its command line or input
}

// chain is what started the process: up to the service manager, which only
// counts as a parent.
func chain(p *process.Process, started time.Time) (all []Ancestor) {
	for len(all) < maxChain {
		pid, err := p.Ppid()
		if err != nil || pid <= 0 {
			break
		}
		// A parent is older than its child: a younger process reuses the PID.
		parent, since, err := find(int(pid))
		if err != nil || since.After(started) {
			break
		}
		a := ancestor(parent)
		// The child of one that ended meanwhile has another parent now.
		if again, err := p.Ppid(); err != nil || again != pid {
			break
		}
		if isManager(a) && len(all) > 0 {
			break
		}
		all = append(all, a)
		p, started = parent, since
	}
	return all
}

func ancestor(p *process.Process) Ancestor {
	a := Ancestor{PID: int(p.Pid), Unit: unitOfProcess(int(p.Pid))}
	a.Name, a.Path = nameAndPath(p)
	if isInterpreter(a.Path) {
		if arguments, err := p.CmdlineSlice(); err == nil {
			a.Script, a.Inline = script(arguments)
			if !isFileOf(a.PID, a.Script) {
				a.Script = ""
			}
		}
	}
	return a
}

// isManager tells whether the process starts services and sessions for all.
func isManager(a Ancestor) bool {
	name := lastPart(a.Path)
	return a.PID == 1 || name == "systemd" || name == "init"
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
