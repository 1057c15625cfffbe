package identity_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// mount is a file system: its files can be read once it answers.
type mount struct {
	device  uint32
	answers chan struct{}
}

// on has the prover meet a version of a file on a file system.
func (s *story) on(m mount, name string, version int64) (firewall.Program, <-chan struct{}) {
	return s.Identify(executable(name), firewall.Stamp{Device: m.device, Inode: 1, Changed: version}, func(_ context.Context, f func(*io.SectionReader) error) error {
		<-m.answers
		return f(file("content"))
	})
}

// know has the prover know files of a device; touched then has it meet touched
// ones in their places.
func (s *story) know(device uint32, names ...string) {
	alive := mount{device, make(chan struct{})}
	close(alive.answers)
	for _, name := range names {
		s.on(alive, name, 1)
	}
	synctest.Wait()
}

func (s *story) touched(m mount, names ...string) {
	for _, name := range names {
		s.on(m, name, 2)
	}
}

// awaits checks that files which hang count as changed.
func (s *story) awaits(m mount, names ...string) {
	s.Helper()
	for _, name := range names {
		if p, wait := s.on(m, name, 2); p.Kind != firewall.Changed || wait == nil {
			s.Errorf("%s hangs, but counts as %+v", name, p)
		}
	}
}

// answered checks that files count as themselves once they can be read.
func (s *story) answered(m mount, names ...string) {
	s.Helper()
	close(m.answers)
	synctest.Wait()
	for _, name := range names {
		if p, wait := s.on(m, name, 2); p.Kind != firewall.Executable || wait != nil {
			s.Errorf("%s can be read, but counts as %+v", name, p)
		}
	}
}

// readsIn checks that a file of a device is read within a time.
func (s *story) readsIn(within time.Duration, device uint32, name string) {
	s.Helper()
	alive := mount{device, make(chan struct{})}
	close(alive.answers)
	began := time.Now()
	i, _ := s.Identity(name)
	_, settled := s.on(alive, name, i.Stamp.Changed+1)
	if settled != nil {
		<-settled
	}
	synctest.Wait()
	if took := time.Since(began); took > within {
		s.Errorf("%s was read after %v", name, took)
	}
	if p, wait := s.on(alive, name, i.Stamp.Changed+1); p.Kind != firewall.Executable || wait != nil {
		s.Errorf("read, %s counts as %+v", name, p)
	}
}

func TestFilesOfADeadMountKeepNoOthersWaiting(t *testing.T) {
	tell(t, func(s *story) {
		dead := mount{9, make(chan struct{})}
		names := []string{"/mnt/a", "/mnt/b", "/mnt/c", "/mnt/d"}
		s.know(9, names...)
		s.know(1, path)
		s.touched(dead, names...)
		s.readsIn(10*time.Second, 1, path)
		time.Sleep(time.Hour)
		s.readsIn(0, 1, path) // nobody tries the dead mount again
		s.awaits(dead, names...)
		s.answered(dead, names...)
	})
}

func TestTheNumberOfDeadMountsIsBounded(t *testing.T) {
	tell(t, func(s *story) {
		const most, readers = 32, 2
		var all []mount
		name := func(n int) string { return fmt.Sprintf("/mnt/%d", n) }
		for n := range most + readers {
			all = append(all, mount{uint32(10 + n), make(chan struct{})})
			s.know(all[n].device, name(n))
		}
		s.know(1, path)
		for n, m := range all {
			s.touched(m, name(n))
			time.Sleep(time.Minute)
		}
		alive := mount{1, make(chan struct{})}
		s.touched(alive, path)
		time.Sleep(time.Hour)
		s.awaits(alive, path) // nobody is left to read it
		s.answered(all[most], name(most))
		s.answered(alive, path)
		for n, m := range all[:most] {
			s.awaits(m, name(n))
			s.answered(m, name(n))
		}
		s.answered(all[most+1], name(most+1))
	})
}

// drops is a slow file system: each part of a file takes a while.
type drops struct{}

func (drops) ReadAt(b []byte, _ int64) (int, error) {
	time.Sleep(time.Second)
	return len(b), nil
}

func TestASlowFileSystemIsNotDead(t *testing.T) {
	tell(t, func(s *story) {
		s.Identify(executable("/mnt/slow"), firewall.Stamp{Device: 9, Inode: 1, Changed: 1}, func(_ context.Context, f func(*io.SectionReader) error) error {
			return f(io.NewSectionReader(drops{}, 0, 1000<<15))
		})
		time.Sleep(time.Minute)
		s.readsIn(0, 9, path)
		time.Sleep(time.Hour)
	})
}
