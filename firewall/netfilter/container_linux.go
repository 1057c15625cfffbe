package netfilter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// contained says in which container's root folder a program is that runs in
// another mount namespace. A container that root's programs did not make is
// named, but stays foreign: any program of its user could say that it is in it.
func (i *identities) contained(key kernelProgram, pid uint32, p firewall.Program) firewall.Program {
	tree, err := cgroupRoot()
	if pid == 0 || err != nil {
		return p
	}
	c, doubt := process.ContainerOf(int(pid), tree)
	if c.Name == "" || !i.runs(key, pid) {
		return p
	}
	if doubt != nil {
		p.Why = "in the container " + c.Name + ", which others than root may make"
		return p
	}
	path := firewall.ContainerPath(c.Name, p.Path)
	if path == "" {
		return p
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.containers) >= maxPrograms {
		clear(i.containers)
	}
	i.containers[c.Name] = c.Folder
	return firewall.Program{Kind: firewall.Executable, Path: path}
}

// runs tells whether the process runs the program, and does not only have the
// PID of one that did.
func (i *identities) runs(key kernelProgram, pid uint32) bool {
	link := fmt.Sprintf("/proc/%d/exe", pid)
	fd, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	same, err := i.holds(fd, link, stampOf(key), key.Inode)
	return err == nil && same
}

// openProgram opens the file of a program to read it.
func (i *identities) openProgram(path string, s firewall.Stamp) (*os.File, error) {
	const flags = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	container, inside, ok := firewall.InContainer(path)
	if !ok {
		return os.OpenFile(path, flags, 0)
	}
	i.mu.Lock()
	folder := i.containers[container]
	i.mu.Unlock()
	if folder == "" {
		return nil, fmt.Errorf("open %s: no process of the container is known", path)
	}
	// Each process of it may see other files there.
	var file *os.File
	err := filepath.WalkDir(folder, func(group string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		text, _ := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		for pid := range strings.FieldsSeq(string(text)) {
			if file = i.openInside(pid, inside, flags, s); file != nil {
				return fs.SkipAll
			}
		}
		return nil
	})
	if file == nil {
		return nil, errors.Join(fmt.Errorf("open %s: no process of the container has it", path), err)
	}
	return file, nil
}

// openInside opens the file with a stamp below the root folder of a process; nil
// if it is not there.
func (i *identities) openInside(pid, inside string, flags int, s firewall.Stamp) *os.File {
	if _, err := strconv.Atoi(pid); err != nil {
		return nil
	}
	root, err := unix.Open("/proc/"+pid+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(root)
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(root, strings.TrimPrefix(inside, "/"), &how)
	if err != nil {
		return nil
	}
	if same, err := i.holds(fd, inside, s, 0); err != nil || !same {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), inside)
}
