//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that has no promise of its own.
const patience = 30 * time.Second

var build struct {
	once sync.Once
	err  error
	out  []byte
	path string
}

// program builds Sallyport with the socket for tests, once.
func program(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		build.path = filepath.Join(pictures(t), "sallyport-e2e")
		build.out, build.err = exec.Command("go", "build", "-tags", "e2e", "-o", build.path, "sallyport.dev/sallyport").CombinedOutput()
	})
	if build.err != nil {
		t.Fatalf("build the program: %v\n%s", build.err, build.out)
	}
	return build.path
}

// pictures is the folder for a test's pictures.
func pictures(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "build", "e2e")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// need leaves a test out where it cannot run: without root or a tool.
func need(t testing.TB, tools ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "an engine needs root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "%s is not installed", tool)
		}
	}
}

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

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// start starts a process for the time of the test and waits until it has
// printed a line that starts with ready, if ready is not empty. What it prints
// is shown if the test fails.
func start(t testing.TB, title, ready string, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	begin(t, title, ready, cmd)
	return cmd
}

// begin is start for a command that is made already; it returns what the
// process prints.
func begin(t testing.TB, title, ready string, cmd *exec.Cmd) *output {
	t.Helper()
	says := &output{}
	cmd.Stderr = says
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end(cmd)
		if t.Failed() {
			t.Logf("%s said:\n%s", title, says)
		}
	})
	if ready != "" {
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, ready) {
			t.Fatalf("%s printed %q, %v: %s", title, line, err, says)
		}
	}
	go io.Copy(says, out)
	return says
}

// end ends a process as a person would, or by force if that does not help.
func end(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	cmd.Process.Signal(syscall.SIGTERM)
	force := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	force.Stop()
}

// poll waits for something that nobody announces.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	look := time.NewTicker(5 * time.Millisecond)
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
