//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// curlFailedToConnect is curl's exit code for a refused connection.
const curlFailedToConnect = 7

// client is one run of a program under the firewall.
type client struct {
	w    *world
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// curl asks the server for its page.
func (w *world) curl() *client {
	w.t.Helper()
	return w.launch("curl", "-sS", "--max-time", "25", "http://"+serverAddress)
}

// connect is a program of its own with a name: it says when it calls connect(),
// and then what came of it.
func (w *world) connect(name string) *client {
	w.t.Helper()
	from, err := exec.LookPath("bash")
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.folder, name)
	run(w.t, "cp", from, path)
	host, port, _ := strings.Cut(serverAddress, ":")
	return w.launch(path, "-c", "echo $EPOCHREALTIME; exec 3<>/dev/tcp/"+host+"/"+port+" && echo connected")
}

func (w *world) launch(path string, args ...string) *client {
	w.t.Helper()
	cgroup, err := os.Open(w.cgroup)
	if err != nil {
		w.t.Fatal(err)
	}
	defer cgroup.Close()
	c := &client{w: w, out: &output{}, done: make(chan struct{})}
	c.cmd = exec.Command("nsenter", append([]string{"--net=/run/netns/" + w.client, path}, args...)...)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	if err := c.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { defer close(c.done); c.cmd.Wait() }()
	w.t.Cleanup(func() { c.cmd.Process.Kill(); <-c.done })
	return c
}

func (c *client) output() string { return c.out.String() }
func (c *client) code() int      { return c.cmd.ProcessState.ExitCode() }

// connecting is when the program of [world.connect] called connect().
func (c *client) connecting() time.Time {
	c.w.t.Helper()
	line, _, _ := strings.Cut(c.output(), "\n")
	seconds, micros, _ := strings.Cut(line, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		c.w.t.Fatalf("it printed %q", c.output())
	}
	us, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		c.w.t.Fatalf("it printed %q", c.output())
	}
	return time.Unix(s, us*1000)
}

func (c *client) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *client) wait() string {
	c.w.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		c.w.t.Fatal("the program does not end")
	}
	return c.output()
}
