//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall/netfilter"
)

const (
	servingVariable = "SALLYPORT_E2E_SERVE"
	serverSays      = "through the gate"
	serverAddress   = "10.93.0.2:8080"

	// curlFailedToConnect is curl's exit code for a refused connection.
	curlFailedToConnect = 7

	// The person in front of the screen is nobody, whom the engine lets in.
	personName, personID = "nobody", 65534

	// patience is how long anything may take that has no promise of its own.
	patience = 30 * time.Second
)

// serve is the server of the tests, in a process of its own.
func serve() {
	listener, err := net.Listen("tcp", serverAddress)
	if err != nil {
		panic(err)
	}
	fmt.Println("listening")
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, serverSays) }))
}

// rig is an engine in a network namespace and a cgroup of its own, a server in
// another namespace, and a screen.
type rig struct {
	t      *testing.T
	folder string
	home   string // the person's
	client string // network namespaces
	server string
	cgroup string
	socket string
	binary string
	screen *screen
	engine *exec.Cmd
}

var build struct {
	once sync.Once
	err  error
	out  []byte
	path string
}

// program builds Sallyport with the socket for tests, once.
func program(t *testing.T) string {
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

func newRig(t *testing.T, name string) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "namespaces and cgroups need root")
	}
	for _, tool := range []string{"Xvfb", "curl", "ip", "nsenter", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "%s is not installed", tool)
		}
	}
	if err := netfilter.Supported(); err != nil {
		missing(t, "%v", err)
	}
	id := fmt.Sprintf("%d%s", os.Getpid(), name)
	r := &rig{t: t, client: "spc" + id, server: "sps" + id}
	r.install(program(t))
	r.socket = filepath.Join(r.folder, "run", "s.sock")

	r.namespace(r.server)
	r.namespace(r.client)
	r.run("ip", "-n", r.client, "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", r.server)
	r.run("ip", "-n", r.client, "addr", "add", "10.93.0.1/24", "dev", "out")
	r.run("ip", "-n", r.server, "addr", "add", "10.93.0.2/24", "dev", "in")
	r.run("ip", "-n", r.client, "link", "set", "out", "up")
	r.run("ip", "-n", r.server, "link", "set", "in", "up")
	r.makeCgroup("sallyport-e2e-" + id)

	r.start("server", "listening", []string{servingVariable + "=1"}, "nsenter", "--net=/run/netns/"+r.server, os.Args[0])
	r.engine = r.start("engine", "", nil, "nsenter", "--net=/run/netns/"+r.client, r.binary, "engine",
		"--user", personName, "--cgroup", r.cgroup, "--data", filepath.Join(r.folder, "data"), "--socket", r.socket)
	r.until("the engine is running", func() bool {
		s, err := link.NewClient(r.socket).Status(context.Background())
		return err == nil && s.Running
	})
	r.screen = newScreen(t)
	return r
}

// install puts the program where the person can run it, as scripts/install
// does: root's, and setgid to a group that nobody is in.
func (r *rig) install(built string) {
	r.t.Helper()
	const mark = 54329
	var err error
	// Where /tmp is a file system of its own, it may not know setgid.
	parent := os.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(parent, &fs); err == nil && fs.Flags&unix.ST_NOSUID != 0 {
		parent = "/var/tmp"
	}
	if r.folder, err = os.MkdirTemp(parent, "sallyport-e2e-"); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { os.RemoveAll(r.folder) })
	r.home, r.binary = filepath.Join(r.folder, "home"), filepath.Join(r.folder, "sallyport")
	code, err := os.ReadFile(built)
	err = errors.Join(err, os.Chmod(r.folder, 0o755), os.Mkdir(r.home, 0o700), os.Chown(r.home, personID, personID),
		os.WriteFile(r.binary, code, 0o755), os.Chown(r.binary, 0, mark), os.Chmod(r.binary, 0o755|os.ModeSetgid))
	if err != nil {
		r.t.Fatal(err)
	}
}

// namespace makes a network namespace for the time of the test.
func (r *rig) namespace(name string) {
	r.t.Helper()
	r.run("ip", "netns", "add", name)
	r.t.Cleanup(func() { exec.Command("ip", "netns", "delete", name).Run() })
	r.run("ip", "-n", name, "link", "set", "lo", "up")
}

// makeCgroup makes a cgroup for the time of the test.
func (r *rig) makeCgroup(name string) {
	r.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			r.cgroup = filepath.Join(f[1], name)
			if err := os.Mkdir(r.cgroup, 0o755); err != nil {
				r.t.Fatal(err)
			}
			r.t.Cleanup(func() {
				if err := os.Remove(r.cgroup); err != nil {
					r.t.Errorf("the cgroup stays: %v", err)
				}
			})
			return
		}
	}
	missing(r.t, "no cgroup v2 is mounted")
}

func (r *rig) run(name string, args ...string) {
	r.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		r.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// start starts a process for the time of the test and waits until it has
// printed a line that starts with ready, if ready is not empty. What it prints
// is shown if the test fails.
func (r *rig) start(title, ready string, env []string, name string, args ...string) *exec.Cmd {
	r.t.Helper()
	return r.startCommand(title, ready, env, exec.Command(name, args...))
}

func (r *rig) startCommand(title, ready string, env []string, cmd *exec.Cmd) *exec.Cmd {
	r.t.Helper()
	cmd.Env = append(os.Environ(), env...)
	errs := &output{}
	cmd.Stderr = errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		end(cmd)
		if r.t.Failed() {
			r.t.Logf("%s said:\n%s", title, errs)
		}
	})
	if ready != "" {
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, ready) {
			r.t.Fatalf("%s printed %q, %v: %s", title, line, err, errs)
		}
	}
	go io.Copy(errs, out)
	return cmd
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

func (r *rig) stopEngine() { end(r.engine) }

// until waits for something that nobody announces.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	poll(r.t, what, holds)
}

func poll(t *testing.T, what string, holds func() bool) {
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

// curl is one run of curl under the firewall.
type curl struct {
	r       *rig
	cmd     *exec.Cmd
	out     *output
	started time.Time
	done    chan struct{}
}

// curl asks the server for its page.
func (r *rig) curl() *curl { return r.curlAt("curl") }

// curlNamed is curl as a program of its own, with a name.
func (r *rig) curlNamed(name string) *curl {
	r.t.Helper()
	from, err := exec.LookPath("curl")
	if err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(r.folder, name)
	r.run("cp", from, path)
	return r.curlAt(path)
}

func (r *rig) curlAt(path string) *curl {
	r.t.Helper()
	cgroup, err := os.Open(r.cgroup)
	if err != nil {
		r.t.Fatal(err)
	}
	defer cgroup.Close()
	c := &curl{r: r, out: &output{}, done: make(chan struct{})}
	c.cmd = exec.Command("nsenter", "--net=/run/netns/"+r.client, path, "-sS", "--max-time", "25", "http://"+serverAddress)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	c.started = time.Now()
	if err := c.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { defer close(c.done); c.cmd.Wait() }()
	r.t.Cleanup(func() { c.cmd.Process.Kill(); <-c.done })
	return c
}

func (c *curl) output() string { return c.out.String() }
func (c *curl) code() int      { return c.cmd.ProcessState.ExitCode() }

func (c *curl) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *curl) wait() string {
	c.r.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		c.r.t.Fatal(errors.New("curl does not end"))
	}
	return c.output()
}
