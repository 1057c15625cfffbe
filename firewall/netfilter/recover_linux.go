package netfilter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// ErrEngineLives is returned by [Recover] while an engine runs.
var ErrEngineLives = errors.New("an engine is running")

// runCgroup is how the names of cgroups of "sallyport run" begin.
const runCgroup = "sallyport-run-"

// Recover removes everything of ours from this network namespace, also what a
// killed engine left, and lists what it removed. While an engine lives it
// refuses unless forced.
func Recover(force bool) (removed []string, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	space, err := netnsName()
	if err != nil {
		return nil, err
	}
	if !force {
		if err := nobodyLives(space); err != nil {
			return nil, err
		}
	}
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list nft tables: %w", err)
	}
	for _, t := range tables {
		if t.Name != tableName && !strings.HasPrefix(t.Name, tableName+"_") {
			continue
		}
		conn.DelTable(t)
		if err := conn.Flush(); err != nil {
			return removed, fmt.Errorf("delete the nft table %s: %w", t.Name, err)
		}
		removed = append(removed, "nft table inet "+t.Name)
	}
	pins, _ := filepath.Glob(filepath.Join(pinFolder, "*-"+space))
	for _, p := range pins {
		if err := unpin(p); err != nil {
			return removed, fmt.Errorf("remove the pins in %s: %w", p, err)
		}
		removed = append(removed, "pinned programs and maps "+p)
	}
	os.Remove(pinFolder) // only if nothing else is in it
	if root, err := cgroupRoot(); err == nil {
		removed = append(removed, removeRunCgroups(root)...)
	}
	return removed, nil
}

// removeRunCgroups removes the cgroups that "sallyport run" made wherever it was
// called, save those that have processes or are locked by who made them.
func removeRunCgroups(root string) (removed []string) {
	filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		if !strings.HasPrefix(entry.Name(), runCgroup) {
			return nil
		}
		if f, err := os.Open(path); err == nil {
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && os.Remove(path) == nil {
				removed = append(removed, "cgroup "+path)
			}
			f.Close()
		}
		return fs.SkipDir
	})
	return removed
}

// nobodyLives returns an error if an engine holds a lock in this namespace.
func nobodyLives(space string) error {
	locks, _ := filepath.Glob(filepath.Join(runFolder, "*-"+space+".lock"))
	for _, path := range locks {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		f.Close()
		if err != nil {
			return fmt.Errorf("%w (%s is locked)", ErrEngineLives, path)
		}
	}
	return nil
}
