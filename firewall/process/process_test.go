package process

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain plays the child when the tests start themselves: it runs until its
// input ends.
func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_TEST_CHILD") != "" {
		os.Stdout.WriteString("up\n")
		io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// child starts a process that ends when end is called.
func child(t *testing.T) (pid int, end func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "a name", "b")
	c.Env = append(os.Environ(), "PROCESS_TEST_CHILD=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			in.Close()
			c.Wait()
		}
	}
	t.Cleanup(end)
	return c.Process.Pid, end
}

func TestFactsOfAChild(t *testing.T) {
	pid, end := child(t)
	self, _ := os.Executable()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	if f.PID != pid || f.Path != self || len(f.Chain) == 0 || f.Chain[0].PID != os.Getpid() || f.Chain[0].Path != self || f.UID != os.Geteuid() || f.User != me.Username {
		t.Errorf("facts are %+v", f)
	}
	command := self + " a name b"
	if runtime.GOOS == "windows" { // as it was written
		command = self + ` "a name" b`
	}
	if f.Command != command || !strings.HasPrefix(filepath.Base(self), f.Chain[0].Name) {
		t.Errorf("facts are %+v", f)
	}
	if age := time.Since(f.Started); age < -tolerance || age > time.Minute {
		t.Errorf("started %v ago", age)
	}
	end()
	if f, err := Of(pid); !errors.Is(err, ErrGone) || f.Path != "" || f.UID != -1 {
		t.Errorf("a process that ended: %+v, %v", f, err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	for _, pid := range []int{0, -1, 1 << 40} {
		if _, err := Of(pid); !errors.Is(err, ErrGone) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

func TestWaitReturnsWhenTheProcessEnds(t *testing.T) {
	pid, end := child(t)
	f, err := Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() { waits <- Wait(t.Context(), pid, f.Started) }()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Wait(short, pid, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a running process: %v", err)
	}
	select {
	case err := <-waits:
		t.Fatalf("returned while the process runs: %v", err)
	default:
	}
	end()
	select {
	case err := <-waits:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("did not return when the process ended")
	}
	if err := Wait(t.Context(), pid, f.Started); err != nil {
		t.Error(err)
	}
}

func TestReusedPIDIsNotTheProcess(t *testing.T) {
	pid, _ := child(t)
	f, err := Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Wait(ctx, pid, f.Started.Add(-time.Hour)); err != nil {
		t.Errorf("a process of an hour ago counts as running: %v", err)
	}
}
