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

// identities turns the kernel's keys of executables into programs.
type identities struct {
	paths   *ebpf.Map
	wanted  *ebpf.Map
	opened  *link.Iter
	space   uint64 // number of our mount namespace
	mu      sync.Mutex
	known   map[kernelProgram]firewall.Program
	opening sync.Mutex // one look at an open file at a time

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
		known: make(map[kernelProgram]firewall.Program),
	}
	i.interpreters = newInterpreters(k, i)
	return i, nil
}

func (i *identities) close() { i.opened.Close() }

// program says which program the key is; pid helps while the process lives.
func (i *identities) program(key kernelProgram, pid uint32) firewall.Program {
	p, _ := i.settling(key, pid)
	return p
}

// settling is program; settled is that of [firewall.Identify].
func (i *identities) settling(key kernelProgram, pid uint32) (p firewall.Program, settled <-chan struct{}) {
	p, settled = i.proven(i.file(key.whole(), pid), stampOf(key))
	return i.interpreters.particular(p, key, pid), settled
}

// proven says which program a file is, given that it is the one at its path.
func (i *identities) proven(p firewall.Program, s firewall.Stamp) (_ firewall.Program, settled <-chan struct{}) {
	if i.prove == nil || p.Kind != firewall.Executable && p.Kind != firewall.Changed {
		return p, nil
	}
	return i.prove(p, s, i.reading(p.Path, s))
}

// file says which program the key is, whatever was at its path before.
func (i *identities) file(key kernelProgram, pid uint32) firewall.Program {
	if key.Inode == 0 {
		return firewall.Program{Kind: firewall.Kernel}
	}
	i.mu.Lock()
	p, ok := i.known[key]
	i.mu.Unlock()
	if ok {
		return p
	}
	p = i.packaged(key, pid, i.identify(key, pid))
	if p.Kind == firewall.Unidentified {
		return p
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) >= maxPrograms {
		clear(i.known)
	}
	i.known[key] = p
	return p
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
	if err := i.paths.Lookup(&key, &text); err != nil {
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
func (i *identities) open(fds map[int]string) (map[int]openedFile, error) {
	if len(fds) == 0 {
		return nil, nil
	}
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
