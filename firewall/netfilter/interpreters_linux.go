package netfilter

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/cilium/ebpf"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/interpreter"
	"sallyport.dev/sallyport/firewall/process"
)

// unseen is in the number of an execution that the kernel side did not see
// begin; see records.h.
const unseen = 1 << 63

const elsewhere = "in another mount namespace"

// interpreters knows the interpreters of this computer and which scripts their
// executions run.
type interpreters struct {
	listed *ebpf.Map // those whose executions the kernel side keeps apart
	talked *ebpf.Map // executions that used the network, by number
	space  uint64    // number of our mount namespace
	open   func(map[int]string) (map[int]openedFile, error)
	mark   func(uint64) error // adds the marks of those that are listed; see interpreter.h
	kernel *gate

	mu    sync.Mutex
	files map[string]listing // those that are listed, by path
	known map[kernelProgram]execution
}

// execution is what an execution runs. The zero stamp is that of no script.
type execution struct {
	program firewall.Program
	script  firewall.Stamp
}

func newInterpreters(k *kernelSide, i *identities) *interpreters {
	return &interpreters{
		listed: k.Interpreters, talked: k.Talked, space: i.space, open: i.open, kernel: &i.kernel,
		files: make(map[string]listing), known: make(map[kernelProgram]execution),
	}
}

// familyOf is the family of the interpreter at a path of this computer.
func familyOf(path string) (family string, ok bool) {
	if _, _, contained := firewall.InContainer(path); contained {
		return "", false
	}
	return interpreter.Of(path)
}

// particular says which script the key's execution of a program runs, if the
// program is an interpreter.
func (in *interpreters) particular(p firewall.Program, key kernelProgram, pid uint32) execution {
	family, ok := familyOf(p.Path)
	if !ok || p.Kind != firewall.Executable {
		return execution{program: p}
	}
	if e, ok := in.seen(key); ok && e.program.Path == p.Path {
		return e
	}
	if key.Execution == 0 {
		const why = "an interpreter that was not known when it started"
		if err := in.list(p.Path); err != nil {
			slog.Warn("list an interpreter", "path", p.Path, "error", err)
		}
		return execution{program: firewall.Program{Path: p.Path, File: fmt.Sprintf("process %d: %s", pid, why), Why: why}}
	}
	p.Kind, p.Family = firewall.Interpreted, family
	script, stamp, why := in.script(p.Path, key, pid)
	if p.Script = script; script == "" {
		p.File, p.Why = "execution "+strconv.FormatUint(key.Execution&^unseen, 10), why
	} else {
		p.Replaceable = process.RootsAlone(p.Path) != nil
	}
	e := execution{p, stamp}
	if why == elsewhere {
		return e // while its process lives, it may be known
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.known) >= maxPrograms {
		clear(in.known)
	}
	in.known[key] = e
	return e
}

// seen is what is known of an execution.
func (in *interpreters) seen(key kernelProgram) (execution, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	e, ok := in.known[key]
	return e, ok
}

// script is the path and the stamp of the script that an execution runs, or why
// it is not known.
func (in *interpreters) script(path string, key kernelProgram, pid uint32) (script string, s firewall.Stamp, why string) {
	if key.Execution&unseen != 0 {
		return "", s, "started before this firewall"
	}
	e, ok := in.execution(key.Execution)
	switch {
	case !ok:
		return "", s, "its start is forgotten"
	case e.MountNamespace == 0:
		return "", s, "below another root folder"
	case uint64(e.MountNamespace) != in.space && e.Level > 0:
		return "", s, elsewhere // everybody can mount something over a script there
	}
	args, whole := e.args()
	script, not := interpreter.Script(path, args)
	if !whole && (not == interpreter.Stdin || not == interpreter.Unknown) {
		not = interpreter.TooLong
	}
	if not != "" {
		return "", s, string(not)
	}
	if !filepath.IsAbs(script) {
		folder, ok := e.in()
		if !ok {
			return "", s, "the folder that it was started in is not known"
		}
		script = folder + "/" + script
	}
	began := wallClock(e.Begun)
	if script, why = scriptAt(script, began); why != "" {
		return "", s, why
	}
	if uint64(e.MountNamespace) != in.space && !sameInside(pid, script) {
		return "", s, elsewhere
	}
	s = scriptStamp(script)
	if _, why = scriptAt(script, began); why != "" { // it is still the one of the stamp
		return "", s, why
	}
	return script, s, ""
}

// execution is what the kernel side noted when the execution began.
func (in *interpreters) execution(number uint64) (e kernelExecution, ok bool) {
	var again kernelExecution
	err := in.kernel.with(func() error { return errors.Join(in.talked.Lookup(&number, &e), in.talked.Lookup(&number, &again)) })
	if err != nil {
		return e, false
	}
	// Its place may be given to another while it is read: not if it still has it.
	return e, e.Name.Number == number && again.Name.Number == number
}

// args are the arguments; whole tells whether these are all.
func (e *kernelExecution) args() (args []string, whole bool) {
	n := min(int(e.Length), len(e.Arguments))
	for at, i := 0, 0; i < n; i++ {
		if e.Arguments[i] == 0 {
			args = append(args, text(e.Arguments[at:i]))
			at = i + 1
		}
	}
	return args, int(e.Length) <= len(e.Arguments)
}

// in is the folder in which the execution began.
func (e *kernelExecution) in() (folder string, ok bool) {
	t := e.Folder[:min(int(e.FolderLength), len(e.Folder))]
	return joined(t), e.FolderKnown != 0
}
