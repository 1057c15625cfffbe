package netfilter

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

const maxPrograms = 8192

// impostor is the inode of a program that says it runs a file that it does
// not run; see records.h.
const impostor = 1

// subject is a program, and the stamp of the file that proves which it is.
type subject struct {
	firewall.Program
	stamp firewall.Stamp
	// elsewhere tells that the kernel knows the executable by another path.
	elsewhere bool
}

// identities turns the kernel's keys of executables into programs.
type identities struct {
	paths      *ebpf.Map
	wanted     *ebpf.Map
	opened     *link.Iter
	space      uint64 // number of our mount namespace
	mu         sync.Mutex
	known      map[kernelProgram]subject
	containers map[string]string // the cgroups of those that were met, by name
	opening    sync.Mutex        // one look at an open file at a time
	looks      looks
	kernel     gate // whoever uses the kernel side

	prove firewall.Identify // nil: every file is the program of its path; set before the first use

	interpreters *interpreters
}

func newIdentities(k *kernelSide) (*identities, error) {
	it, err := link.AttachIter(link.IterOptions{Program: k.Opened})
	if err != nil {
		return nil, fmt.Errorf("attach the iterator over open files: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &st); err != nil {
		return nil, fmt.Errorf("look at the mount namespace: %w", err)
	}
	i := &identities{
		paths: k.Paths, wanted: k.Wanteds, opened: it, space: st.Ino,
		known: make(map[kernelProgram]subject), containers: make(map[string]string),
		looks: looks{running: make(map[kernelProgram]*identifying)},
	}
	i.interpreters = newInterpreters(k, i)
	return i, nil
}

// close waits for whoever uses the kernel side. Who looks at a file that does
// not answer may come back later, and finds it closed.
func (i *identities) close() {
	i.kernel.close()
	i.opened.Close()
}

// proven says as which program a file counts, given that it is the one at its
// path.
func (i *identities) proven(p firewall.Program, s firewall.Stamp) (_ firewall.Program, settled <-chan struct{}) {
	p = p.Proven()
	if i.prove == nil || p.Kind != firewall.Executable {
		return p, nil
	}
	return i.prove(p, s, i.reading(p.Path, s))
}

// provenScript is proven for what an execution runs, if that is a script.
func (i *identities) provenScript(e execution, key kernelProgram) (p firewall.Program, settled <-chan struct{}) {
	if p = e.program; i.prove == nil || p.Script == "" {
		return p, nil
	}
	read := i.reading(p.Script, e.script)
	if !p.Replaceable {
		return i.prove(p, e.script, read)
	}
	s := stampOf(key)
	return i.prove(p, stampOfBoth(s, e.script), readingBoth(i.reading(p.Path, s), read))
}

// again says as which program one counts by now that the key was identified as.
// It looks at no file: what is forgotten is met again.
func (i *identities) again(p firewall.Program, key kernelProgram) firewall.Program {
	switch {
	case p.Kind != firewall.Executable && p.Kind != firewall.Changed && p.Kind != firewall.Interpreted:
		return p
	case key.Execution == 0:
		i.mu.Lock()
		s, ok := i.known[key.whole()]
		i.mu.Unlock()
		if !ok {
			s.stamp = stampOf(key)
		}
		p, _ = i.proven(p, s.stamp)
		return p
	}
	e, ok := i.interpreters.seen(key)
	if !ok || e.program.Path != p.Path {
		return firewall.Program{Path: p.Path, Why: "forgotten"}
	}
	if p, _ = i.proven(firewall.Program{Kind: firewall.Executable, Path: p.Path}, stampOf(key)); p.Kind == firewall.Executable {
		p, _ = i.provenScript(e, key)
	}
	return p
}

// file says which program the key is, whatever was at its path before.
func (i *identities) file(key kernelProgram, pid uint32) subject {
	if key.Inode == 0 {
		return subject{Program: firewall.Program{Kind: firewall.Kernel}}
	}
	i.mu.Lock()
	s, ok := i.known[key]
	i.mu.Unlock()
	if ok {
		return s
	}
	s = i.packaged(key, pid, i.identify(key, pid))
	if s.Kind == firewall.Unidentified || s.Why == elsewhere && !i.runs(key, pid) {
		return s // a process may tell more
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) >= maxPrograms {
		clear(i.known)
	}
	i.known[key] = s
	return s
}

// isElsewhere tells whether the kernel knows the executable of the key by
// another path than that of the program.
func (i *identities) isElsewhere(key kernelProgram) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.known[key.whole()].elsewhere
}

// lasting says which program the key is without the help of a process; ok is
// false if only one could tell.
func (i *identities) lasting(key kernelProgram) (p firewall.Program, ok bool) {
	p = i.program(key, 0)
	return p, p.Kind != firewall.Unidentified
}

func (i *identities) identify(key kernelProgram, pid uint32) firewall.Program {
	unidentified := func(why string) firewall.Program {
		return firewall.Program{File: fmt.Sprintf("process %d: %s", pid, why), Why: why}
	}
	if key.Inode == impostor {
		return unidentified("says that it runs a file that it does not run")
	}
	var text kernelPathText
	if err := i.kernel.with(func() error { return i.paths.Lookup(&key, &text) }); err != nil {
		return unidentified("its path is not known")
	}
	if text.Complete == 0 {
		return unidentified("path too long")
	}
	path := text.path()
	foreign := firewall.Program{
		Kind: firewall.Foreign,
		Path: path,
		File: fmt.Sprintf("%d:%d:%d:%d", key.Device, key.Number, key.Generation, key.Ctime),
		Why:  "replaced",
	}
	if path == "/" && pid == 0 {
		return unidentified("not a file on disk")
	}
	if path == "/" { // a file of no folder: memfd
		foreign.Why = "not a file on disk"
		foreign.Path, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		foreign.Path = strings.TrimSuffix(foreign.Path, " (deleted)")
		return foreign
	}
	same, err := i.same(key, path)
	switch {
	case same:
		return firewall.Program{Kind: firewall.Executable, Path: path}
	case uint64(text.MountNamespace) != i.space:
		foreign.Why = "in another mount namespace"
	case text.Links == 0 || os.IsNotExist(err):
		foreign.Why = "deleted"
	}
	return foreign
}

// same tells whether the path, opened here, is the file of the key.
func (i *identities) same(key kernelProgram, path string) (bool, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return i.holds(fd, path, stampOf(key), key.Inode)
}

// openedFile is the kernel's struct opened_file: which file a descriptor is.
type openedFile struct {
	Program kernelProgram
	Path    uint64 // hash; 0: not known
	Fd      uint32
	_       uint32
}

// open asks the kernel which files the descriptors are, in one pass.
func (i *identities) open(fds map[int]string) (found map[int]openedFile, err error) {
	if len(fds) == 0 {
		return nil, nil
	}
	err = i.kernel.with(func() error {
		found, err = i.openNow(fds)
		return err
	})
	return found, err
}

func (i *identities) openNow(fds map[int]string) (map[int]openedFile, error) {
	first := slices.Min(slices.Collect(maps.Keys(fds)))
	i.opening.Lock()
	defer i.opening.Unlock()
	if err := i.wanted.Put(uint32(0), &kernelWanted{Pid: uint32(os.Getpid()), Fd: uint32(first)}); err != nil {
		return nil, fmt.Errorf("ask for open files: %w", err)
	}
	r, err := i.opened.Open()
	if err != nil {
		return nil, fmt.Errorf("ask for open files: %w", err)
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, 1<<16)
	found := make(map[int]openedFile, len(fds))
	for {
		var f openedFile
		if err := binary.Read(in, binary.NativeEndian, &f); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("ask for open files: %w", err)
		}
		if _, ok := fds[int(f.Fd)]; ok {
			found[int(f.Fd)] = f
		}
	}
}

func (t *kernelPathText) path() string { return joined(t.Text[:min(int(t.Length), len(t.Text))]) }

// text is what the kernel has as an array of characters.
func text(of []int8) string {
	b := make([]byte, len(of))
	for i := range b {
		b[i] = byte(of[i])
	}
	return string(b)
}

// joined joins names, which the kernel noted from the last to the first.
func joined(of []int8) string {
	names := strings.Split(strings.TrimSuffix(text(of), "\x00"), "\x00")
	var path strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		path.WriteByte('/')
		path.WriteString(names[i])
	}
	return path.String()
}
