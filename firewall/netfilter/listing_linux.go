package netfilter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall/interpreter"
	"sallyport.dev/sallyport/firewall/process"
)

// listing is an interpreter of which the kernel side keeps the executions apart.
type listing struct {
	stamp       fileStamp
	key         kernelFileNumber
	replaceable bool // by others than root
}

// maxReplaceable is how many interpreters that others than root can replace are
// listed, of the 512 for which there is room: they leave some for the system's.
const maxReplaceable = 256

// run lists the interpreters that are installed while it runs. It does not wait
// for a home that is out of reach.
func (in *interpreters) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	homes := make(chan struct{}, 1) // full while they are looked at
	for {
		select {
		case homes <- struct{}{}:
			go func() {
				in.tell(log, in.list(found(interpreter.HomeFolders)...))
				<-homes
			}()
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			in.tell(log, in.look())
		}
	}
}

func (in *interpreters) tell(log *slog.Logger, err error) {
	if err != nil && !errors.Is(err, os.ErrClosed) {
		log.Warn("look for interpreters", "error", err)
	}
}

// look lists the interpreters where systems install them.
func (in *interpreters) look() error { return in.list(found(interpreter.Folders)...) }

// found are the interpreters in folders.
func found(folders []string) (paths []string) {
	for _, pattern := range folders {
		all, _ := filepath.Glob(pattern + "/*") // no pattern of ours is malformed
		for _, path := range all {
			if _, ok := interpreter.Of(path); !ok {
				continue
			}
			if real, err := filepath.EvalSymlinks(path); err == nil {
				paths = append(paths, real)
			}
		}
	}
	return paths
}

// list has the kernel side keep the executions of files apart, if they are
// interpreters.
func (in *interpreters) list(paths ...string) error {
	opened, anew := make(map[int]string), make(map[string]listing)
	defer func() {
		for fd := range opened {
			unix.Close(fd)
		}
	}()
	for _, path := range paths {
		var st unix.Stat_t
		if _, ok := interpreter.Of(path); !ok || unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		l := listing{stamp: fileStamp{st.Dev, st.Ino, st.Ctim}, replaceable: process.RootsAlone(path) != nil}
		in.mu.Lock()
		before := in.files[path]
		in.mu.Unlock()
		if _, twice := anew[path]; twice || before.stamp == l.stamp {
			continue
		}
		if fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err == nil {
			opened[fd], anew[path] = path, l
		}
	}
	files, err := in.open(opened)
	if err != nil {
		return err
	}
	return in.kernel.with(func() error {
		var failed []error
		var marks uint64
		for fd, f := range files {
			l := anew[opened[fd]]
			l.key = kernelFileNumber{Number: f.Program.Number, Device: f.Program.Device}
			if err := in.put(opened[fd], l); err != nil {
				failed = append(failed, fmt.Errorf("list the interpreter %s: %w", opened[fd], err))
				continue
			}
			marks |= 1 << (l.key.Number * 0x9e3779b97f4a7c15 >> 58)
		}
		return errors.Join(append(failed, in.mark(marks))...)
	})
}

// put lists one interpreter, in the place of the file of before at its path.
func (in *interpreters) put(path string, l listing) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	before, replaced := in.files[path]
	if l.replaceable && !before.replaceable {
		count := 0
		for _, other := range in.files {
			if other.replaceable {
				count++
			}
		}
		if count >= maxReplaceable {
			return fmt.Errorf("there are %d that others than root can replace already", count)
		}
	}
	if err := in.listed.Put(&l.key, uint32(1)); err != nil {
		return err
	}
	in.files[path] = l
	if replaced && before.replaceable && before.key != l.key {
		for _, other := range in.files {
			if other.key == before.key { // a link to the same file
				return nil
			}
		}
		in.listed.Delete(&before.key)
	}
	return nil
}

// lists tells whether the file at path was listed as an interpreter.
func (in *interpreters) lists(path string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, ok := in.files[path]
	return ok
}
