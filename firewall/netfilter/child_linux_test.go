package netfilter_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// child is a process that takes lines and gives lines of JSON, each a T.
type child[T any] struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan T
	ended chan struct{} // closed when the process is gone and every line is read
	err   error         // of the process, once ended
	noise safeBuffer    // what it wrote to standard error
}

// startChild starts a process. Lines go to each, or to lines if each is nil.
// It ends with the test at the latest.
func startChild[T any](t *testing.T, cmd *exec.Cmd, each func(T)) *child[T] {
	t.Helper()
	c := &child[T]{cmd: cmd, lines: make(chan T, 64), ended: make(chan struct{})}
	cmd.Stderr = &c.noise
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", cmd.Args, err)
	}
	if each == nil {
		each = func(line T) { c.lines <- line }
	}
	go func() {
		defer close(c.ended)
		for decoder := json.NewDecoder(out); ; {
			var line T
			if decoder.Decode(&line) != nil {
				break
			}
			each(line)
		}
		io.Copy(io.Discard, out)
		c.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		for {
			select {
			case <-c.lines: // nobody reads them any more
				continue
			case <-c.ended:
			}
			break
		}
		if t.Failed() && c.noise.String() != "" {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Args[len(cmd.Args)-1]), c.noise.String())
		}
	})
	return c
}

func (c *child[T]) send(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		t.Fatalf("tell %v: %v\n%s", c.cmd.Args, err, c.noise.String())
	}
}

// next waits for a line.
func (c *child[T]) next(t *testing.T) (line T) {
	t.Helper()
	select {
	case line = <-c.lines:
		return line
	default:
	}
	select {
	case line = <-c.lines:
	case <-c.ended:
		select {
		case line = <-c.lines:
		default:
			t.Fatalf("%v ended: %v\n%s", c.cmd.Args, c.err, c.noise.String())
		}
	case <-time.After(deadline):
		t.Fatalf("%v said nothing for %v\n%s", c.cmd.Args, deadline, c.noise.String())
	}
	return line
}

// silent tells whether there is no line yet.
func (c *child[T]) silent() bool { return len(c.lines) == 0 }

// wait waits for the end of the process.
func (c *child[T]) wait(t *testing.T) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(deadline):
		t.Fatalf("%v did not end within %v\n%s", c.cmd.Args, deadline, c.noise.String())
	}
}

// talker is a running copy of testdata/talk.
type talker = child[result]

// result is what testdata/talk says of one command.
type result struct {
	Command, Error, Text string
	Began, Ended         time.Time
	Took                 time.Duration
}

var builtPrograms = filepath.Join(os.TempDir(), "sallyport-test-programs-"+strconv.Itoa(os.Getpid()))

var buildTalk = sync.OnceValues(func() (string, error) {
	path := filepath.Join(builtPrograms, "talk")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./testdata/talk")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	var noise bytes.Buffer
	build.Stdout, build.Stderr = &noise, &noise
	if err := build.Run(); err != nil {
		return "", &buildError{err, noise.String()}
	}
	return path, nil
})

type buildError struct {
	err   error
	noise string
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.noise }

// program puts a program where none has been: a copy of testdata/talk.
func (w *world) program(name string) string {
	w.t.Helper()
	built, err := buildTalk()
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := os.ReadFile(built)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.executable(name, b)
}

// copyOf puts a copy of a tool where no program has been.
func (w *world) copyOf(tool, name string, number int) string {
	w.t.Helper()
	b, err := os.ReadFile(tool)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.executable(strings.NewReplacer("/", "-", " ", "-").Replace(name)+"-"+strconv.Itoa(number), b)
}

// executable writes an executable file.
func (w *world) executable(name string, content []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	// No other process started meanwhile may inherit it open for writing.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, content, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// talk starts a program under the firewall.
func (w *world) talk(path string) *talker {
	w.t.Helper()
	return startChild[result](w.t, w.inside(path), nil)
}

// do has the program run a command and waits for the result.
func do(t *testing.T, c *talker, command string) result {
	t.Helper()
	c.send(t, command)
	return c.next(t)
}

// must is do for a command that has to succeed.
func must(t *testing.T, c *talker, command string) result {
	t.Helper()
	r := do(t, c, command)
	if r.Error != "" {
		t.Fatalf("%s: %s", command, r.Error)
	}
	return r
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
