//go:build linux

package wine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that has no promise of its own.
const patience = 30 * time.Second

// missing leaves a test out, and says why; where nothing may be left out, it
// fails instead.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// requires leaves a test out where a tool is missing.
func requires(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range append(tools, "wine", "Xvfb", "openbox", "x86_64-w64-mingw32-gcc") {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "%s is not installed", tool)
		}
	}
}

// process is a process for the time of a test.
type process struct {
	*exec.Cmd
	t      testing.TB
	signal syscall.Signal // ends it
	ended  chan struct{}
}

// begin starts a process that a signal ends, which it gets after the test, or
// when the test is killed: with the thread that has started it, which therefore
// does nothing else until then.
func begin(t testing.TB, cmd *exec.Cmd, signal syscall.Signal) *process {
	t.Helper()
	p := &process{cmd, t, signal, make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: signal}
	cmd.WaitDelay = time.Second // what Wine starts besides keeps pipes open
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// end ends the process, by force if it does not end when it is told to.
func (p *process) end() {
	p.Process.Signal(p.signal)
	force := time.AfterFunc(10*time.Second, func() { p.Process.Kill() })
	defer force.Stop()
	<-p.ended
}

// mustRun fails the test if the process has ended.
func (p *process) mustRun(title string) {
	p.t.Helper()
	select {
	case <-p.ended:
		p.t.Fatalf("%s has ended: %v", title, p)
	default:
	}
}

// String is how the process has ended, if it has.
func (p *process) String() string {
	select {
	case <-p.ended:
		return p.ProcessState.String()
	default:
		return "running"
	}
}

// poll waits for something that nobody announces.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-late.C:
			t.Fatalf("%s: did not happen within %v", what, patience)
		}
	}
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
