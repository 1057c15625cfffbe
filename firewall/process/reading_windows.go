package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall"
)

// Two changes of a file within a tick of the clock leave one stamp, where the
// volume does not number them: what was changed just now is read after that.
const (
	tick       = 40 * time.Millisecond // of 15.6, twice and a bit
	coarseTick = 4 * time.Second       // FAT counts in two seconds
)

// settledAt is when no change that comes can leave the stamp that a file has.
func settledAt(s firewall.Stamp) time.Time {
	changed := time.Unix(0, max(s.Changed, s.Written))
	switch {
	case s.Number != 0:
		return time.Time{}
	case changed.Nanosecond() == 0 && changed.Unix()%2 == 0:
		return changed.Add(coarseTick)
	}
	return changed.Add(tick)
}

// reading reads the file at a path while it has the stamp. Nobody can open it
// for writing meanwhile, and nobody may have it open so.
func reading(path string, s firewall.Stamp) firewall.Reading {
	return func(ctx context.Context, f func(*io.SectionReader) error) error {
		select {
		case <-time.After(min(time.Until(settledAt(s)), coarseTick)): // the clock may have been put back
		case <-ctx.Done():
			return ctx.Err()
		}
		name, err := windows.UTF16PtrFromString(longPath(path))
		if err != nil {
			return err
		}
		h, err := windows.CreateFile(name, windows.GENERIC_READ, noWriters, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_SEQUENTIAL_SCAN, 0)
		if err != nil {
			return fmt.Errorf("keep writers from %s: %w", path, err)
		}
		content := os.NewFile(uintptr(h), path)
		defer content.Close()
		if err := mustBe(h, path, s); err != nil {
			return err
		}
		if err := f(io.NewSectionReader(content, 0, s.Size)); err != nil {
			return err
		}
		return mustBe(h, path, s)
	}
}

var errReplaced = errors.New("it was changed meanwhile")

// mustBe fails unless the open file has the stamp and is the one at the path.
func mustBe(h windows.Handle, path string, s firewall.Stamp) error {
	is, err := stampOf(h)
	if err != nil {
		return err
	}
	there, err := openFile(longPath(path))
	if err != nil {
		return err
	}
	defer there.close()
	if is != s || there.stamp != s || there.path != path {
		return fmt.Errorf("read %s: %w", path, errReplaced)
	}
	return nil
}
