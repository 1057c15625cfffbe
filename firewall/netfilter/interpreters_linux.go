package netfilter

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/interpreter"
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

	mu     sync.Mutex
	stamps map[string]fileStamp // of those that are listed, by path
	known  map[kernelProgram]firewall.Program
}

func newInterpreters(k *kernelSide, i *identities) *interpreters {
	return &interpreters{
		listed: k.Interpreters, talked: k.Talked, space: i.space, open: i.open,
		stamps: make(map[string]fileStamp), known: make(map[kernelProgram]firewall.Program),
	}
}

// run lists the interpreters that are installed while it runs.
func (in *interpreters) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := in.look(); err != nil {
				log.Warn("look for interpreters", "error", err)
			}
		}
	}
}

// look lists the interpreters where systems install them.
func (in *interpreters) look() error {
	var paths []string
	for _, pattern := range interpreter.Folders {
		found, _ := filepath.Glob(pattern + "/*") // no pattern of ours is malformed
		for _, path := range found {
			if _, ok := interpreter.Of(path); !ok {
				continue
			}
			if real, err := filepath.EvalSymlinks(path); err == nil {
				paths = append(paths, real)
			}
		}
	}
	return in.list(paths...)
}

// list has the kernel side keep the executions of files apart, if they are
// interpreters that only root can change: who can put another file into the
// place of one could be any script.
func (in *interpreters) list(paths ...string) error {
	opened, stamps := make(map[int]string), make(map[string]fileStamp)
	defer func() {
		for fd := range opened {
			unix.Close(fd)
		}
	}()
	for _, path := range paths {
		var st unix.Stat_t
		if _, ok := interpreter.Of(path); !ok || !onlyRoots(path) || unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		stamp := fileStamp{st.Dev, st.Ino, st.Ctim}
		in.mu.Lock()
		before := in.stamps[path]
		in.mu.Unlock()
		if _, twice := stamps[path]; twice || before == stamp {
			continue
		}
		if fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err == nil {
			opened[fd], stamps[path] = path, stamp
		}
	}
	files, err := in.open(opened)
	if err != nil {
		return err
	}
	var marks uint64
	for fd, f := range files {
		key := kernelFileNumber{Number: f.Program.Number, Device: f.Program.Device}
		if err := in.listed.Put(&key, uint32(1)); err != nil {
			return fmt.Errorf("list the interpreter %s: %w", opened[fd], err)
		}
		marks |= 1 << (key.Number * 0x9e3779b97f4a7c15 >> 58)
		in.mu.Lock()
		in.stamps[opened[fd]] = stamps[opened[fd]]
		in.mu.Unlock()
	}
	return in.mark(marks)
}

// lists tells whether the file at path was listed as an interpreter.
func (in *interpreters) lists(path string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, ok := in.stamps[path]
	return ok
}

// isKnown tells whether it is known what the key's execution runs.
func (in *interpreters) isKnown(key kernelProgram) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, ok := in.known[key]
	return ok
}

// particular says which script the key's execution of a program runs, if the
// program is an interpreter.
func (in *interpreters) particular(p firewall.Program, key kernelProgram, pid uint32) firewall.Program {
	if p.Kind != firewall.Executable {
		return p
	}
	family, ok := interpreter.Of(p.Path)
	if !ok {
		return p
	}
	in.mu.Lock()
	known, ok := in.known[key]
	in.mu.Unlock()
	if ok && known.Path == p.Path {
		return known
	}
	if !onlyRoots(p.Path) {
		return p
	}
	if key.Execution == 0 {
		const why = "an interpreter that was not known when it started"
		if err := in.list(p.Path); err != nil {
			slog.Warn("list an interpreter", "path", p.Path, "error", err)
		}
		return firewall.Program{Path: p.Path, File: fmt.Sprintf("process %d: %s", pid, why), Why: why}
	}
	p.Kind, p.Family = firewall.Interpreted, family
	script, why := in.script(p.Path, key, pid)
	if p.Script = script; script == "" {
		p.File, p.Why = "execution "+strconv.FormatUint(key.Execution&^unseen, 10), why
	}
	if why == elsewhere {
		return p // while its process lives, it may be known
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.known) >= maxPrograms {
		clear(in.known)
	}
	in.known[key] = p
	return p
}

// script is the path of the script that an execution runs, or why it is not
// known.
func (in *interpreters) script(path string, key kernelProgram, pid uint32) (script, why string) {
	if key.Execution&unseen != 0 {
		return "", "started before this firewall"
	}
	e, ok := in.execution(key.Execution)
	switch {
	case !ok:
		return "", "its start is forgotten"
	case e.MountNamespace == 0:
		return "", "below another root folder"
	case uint64(e.MountNamespace) != in.space && e.Level > 0:
		return "", elsewhere // everybody can mount something over a script there
	}
	args, whole := e.args()
	script, not := interpreter.Script(path, args)
	if !whole && (not == interpreter.Stdin || not == interpreter.Unknown) {
		not = interpreter.TooLong
	}
	if not != "" {
		return "", string(not)
	}
	if !filepath.IsAbs(script) {
		folder, ok := e.in()
		if !ok {
			return "", "the folder that it was started in is not known"
		}
		script = folder + "/" + script
	}
	script, why = scriptAt(script, wallClock(e.Begun))
	if why == "" && uint64(e.MountNamespace) != in.space && !sameInside(pid, script) {
		return "", elsewhere
	}
	return script, why
}

// execution is what the kernel side noted when the execution began.
func (in *interpreters) execution(number uint64) (e kernelExecution, ok bool) {
	var again kernelExecution
	if in.talked.Lookup(&number, &e) != nil || in.talked.Lookup(&number, &again) != nil {
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
