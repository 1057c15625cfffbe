package netfilter

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall"
)

// stampOf is what the kernel says of a file.
func stampOf(p kernelProgram) firewall.Stamp {
	return firewall.Stamp{Device: p.Device, Generation: p.Generation, Inode: p.Number, Changed: int64(p.Ctime)}
}

// Two changes of a file within a tick of the clock leave one stamp: what was
// changed just now is read after that. Some file systems count whole seconds.
const (
	tick       = 20 * time.Millisecond // the slowest, of 100 a second, twice
	coarseTick = 4 * time.Second       // FAT, twice
)

// settledAt is when no change that comes can leave the stamp that a file has.
func settledAt(s firewall.Stamp) time.Time {
	changed := time.Unix(0, s.Changed)
	if changed.Nanosecond() == 0 {
		return changed.Add(coarseTick)
	}
	return changed.Add(tick)
}

// reading reads the file at a path while it has the stamp. Nobody may have it
// open for writing meanwhile: who has, or has it mapped, could change it and
// leave no trace in the stamp.
func (i *identities) reading(path string, s firewall.Stamp) firewall.Reading {
	return func(ctx context.Context, f func(*io.SectionReader) error) error {
		select {
		case <-time.After(min(time.Until(settledAt(s)), coarseTick)): // the clock may have been put back
		case <-ctx.Done():
			return ctx.Err()
		}
		file, err := i.openProgram(path, s)
		if err != nil {
			return err
		}
		defer file.Close() // ends the lease
		fd := int(file.Fd())
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
			return fmt.Errorf("keep writers from %s: %w", path, err)
		}
		if err := i.mustHold(fd, path, s); err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		if err := f(io.NewSectionReader(leased{file}, 0, info.Size())); err != nil {
			return err
		}
		return i.mustHold(fd, path, s)
	}
}

// maxInterpreter is how large an interpreter may be that is read with its
// scripts, in bytes.
const maxInterpreter = 1 << 30

// readingBoth reads the digest of what a reads, then what b reads: nothing can
// be moved from one to the other unnoticed.
func readingBoth(a, b firewall.Reading) firewall.Reading {
	return func(ctx context.Context, f func(*io.SectionReader) error) error {
		return a(ctx, func(first *io.SectionReader) error {
			if first.Size() > maxInterpreter {
				return fmt.Errorf("an interpreter of %d bytes, more than %d", first.Size(), maxInterpreter)
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, first); err != nil {
				return err
			}
			return b(ctx, func(second *io.SectionReader) error {
				both := following{sum.Sum(nil), second}
				return f(io.NewSectionReader(both, 0, int64(len(both.head))+second.Size()))
			})
		})
	}
}

// following reads a file after a head.
type following struct {
	head []byte
	io.ReaderAt
}

func (r following) ReadAt(b []byte, at int64) (n int, err error) {
	if head := int64(len(r.head)); at < head {
		if n = copy(b, r.head[at:]); n == len(b) {
			return n, nil
		}
		at = head
	}
	rest, err := r.ReaderAt.ReadAt(b[n:], at-int64(len(r.head)))
	return n + rest, err
}

// leased reads a file until somebody wants to write to it, who waits for us.
type leased struct{ file *os.File }

func (l leased) ReadAt(b []byte, at int64) (int, error) {
	if lease, err := unix.FcntlInt(l.file.Fd(), unix.F_GETLEASE, 0); err != nil || lease != unix.F_RDLCK {
		return 0, fmt.Errorf("read %s: %w", l.file.Name(), errReplaced)
	}
	return l.file.ReadAt(b, at)
}

var errReplaced = errors.New("it was changed meanwhile")

func (i *identities) mustHold(fd int, path string, s firewall.Stamp) error {
	same, err := i.holds(fd, path, s, 0)
	if err == nil && !same {
		err = fmt.Errorf("read %s: %w", path, errReplaced)
	}
	return err
}

// holds tells whether an open file has the stamp, and the kernel's address of
// its inode unless that is 0. Device and inode as stat tells them are not what
// the kernel uses on some file systems (btrfs, overlay), so the kernel is asked
// for the open file where they differ.
func (i *identities) holds(fd int, path string, s firewall.Stamp, inode uint64) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	device := unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)
	if st.Ino == s.Inode && device == s.Device && st.Ctim.Nano() == s.Changed {
		return true, nil
	}
	files, err := i.open(map[int]string{fd: path})
	if err != nil {
		return false, err
	}
	got := files[fd].Program
	return (inode == 0 || got.Inode == inode) && stampOf(got) == s, nil
}
