package app

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/app/link"
)

// notified is what an engine told the service manager.
type notified chan string

// next waits for a message, leaving out those in between.
func (n notified) next(t *testing.T, want string) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case got := <-n:
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("the service manager was not told %s", want)
		}
	}
}

// startService runs an engine as systemd does.
func startService(t *testing.T, env ...string) (engine *exec.Cmd, said *bytes.Buffer, told notified) {
	t.Helper()
	dir := shared(t)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	told = make(notified, 1000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	program := copyProgram(t, dir, 0, 0, 0o755)
	engine = exec.Command(program, "engine", "--demo", "--data", filepath.Join(dir, "data"), "--socket", filepath.Join(dir, "s.sock"))
	engine.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify")), env...)
	said = &bytes.Buffer{}
	engine.Stdout, engine.Stderr = said, said
	startPart(t, engine)
	told.next(t, "READY=1")
	if s, err := link.NewClient(filepath.Join(dir, "s.sock")).Status(t.Context()); err != nil || !s.Running {
		t.Fatalf("ready, but %+v %v", s, err)
	}
	return engine, said, told
}

func TestTheServiceManagerIsToldAboutStartAndStop(t *testing.T) {
	if !privileged(t) {
		t.Skip("the engine needs root")
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			engine, said, told := startService(t)
			engine.Process.Signal(signal)
			told.next(t, "STOPPING=1")
			if err := engine.Wait(); err != nil || strings.Contains(said.String(), "sallyport: ") {
				t.Errorf("it ended with %v and says\n%s", err, said)
			}
		})
	}
}

func TestTheServiceManagerSeesThatTheEngineLives(t *testing.T) {
	if !privileged(t) {
		t.Skip("the engine needs root")
	}
	engine, _, told := startService(t, "WATCHDOG_USEC=300000")
	for range 3 {
		told.next(t, "WATCHDOG=1")
	}
	// A stopped process says nothing.
	engine.Process.Signal(syscall.SIGSTOP)
	for quiet := false; !quiet; {
		select {
		case <-told:
		case <-time.After(400 * time.Millisecond):
			quiet = true
		}
	}
	engine.Process.Signal(syscall.SIGCONT)
	told.next(t, "WATCHDOG=1")
}
