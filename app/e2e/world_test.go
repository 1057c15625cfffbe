//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall/netfilter"
)

const (
	servingVariable = "SALLYPORT_E2E_SERVE"
	serverSays      = "through the gate"
	serverAddress   = "10.93.0.2:8080"
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

// world is an engine in a network namespace and a cgroup of its own, a server
// in another namespace, and a screen.
type world struct {
	installed
	t      testing.TB
	client string // network namespaces
	server string
	cgroup string
	socket string
	screen *screen
	engine *exec.Cmd
}

func newWorld(t testing.TB, name string) *world {
	t.Helper()
	need(t, "Xvfb", "curl", "ip", "nsenter", "go")
	if err := netfilter.Supported(); err != nil {
		missing(t, "%v", err)
	}
	id := fmt.Sprintf("%d%s", os.Getpid(), name)
	w := &world{t: t, installed: install(t), client: "spc" + id, server: "sps" + id}
	w.socket = filepath.Join(w.folder, "run", "s.sock")

	w.namespace(w.server)
	w.namespace(w.client)
	run(t, "ip", "-n", w.client, "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", w.server)
	run(t, "ip", "-n", w.client, "addr", "add", "10.93.0.1/24", "dev", "out")
	run(t, "ip", "-n", w.server, "addr", "add", "10.93.0.2/24", "dev", "in")
	run(t, "ip", "-n", w.client, "link", "set", "out", "up")
	run(t, "ip", "-n", w.server, "link", "set", "in", "up")
	w.makeCgroup("sallyport-e2e-" + id)

	start(t, "server", "listening", []string{servingVariable + "=1"}, "nsenter", "--net=/run/netns/"+w.server, os.Args[0])
	w.engine = start(t, "engine", "", nil, "nsenter", "--net=/run/netns/"+w.client, w.binary, "engine",
		"--user", personName, "--cgroup", w.cgroup, "--data", filepath.Join(w.folder, "data"), "--socket", w.socket)
	waitForEngine(t, w.socket)
	w.screen = newScreen(t, 1280, 800)
	return w
}

// waitForEngine waits until the engine behind a socket runs.
func waitForEngine(t testing.TB, socket string) {
	t.Helper()
	poll(t, "the engine is running", func() bool {
		s, err := link.NewClient(socket).Status(context.Background())
		return err == nil && s.Running
	})
}

// namespace makes a network namespace for the time of the test.
func (w *world) namespace(name string) {
	w.t.Helper()
	run(w.t, "ip", "netns", "add", name)
	w.t.Cleanup(func() { exec.Command("ip", "netns", "delete", name).Run() })
	run(w.t, "ip", "-n", name, "link", "set", "lo", "up")
}

// makeCgroup makes a cgroup for the time of the test.
func (w *world) makeCgroup(name string) {
	w.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			w.cgroup = filepath.Join(f[1], name)
			if err := os.Mkdir(w.cgroup, 0o755); err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() {
				if err := os.Remove(w.cgroup); err != nil {
					w.t.Errorf("the cgroup stays: %v", err)
				}
			})
			return
		}
	}
	missing(w.t, "no cgroup v2 is mounted")
}

// desktop starts the desktop program on the world's screen.
func (w *world) desktop() *desktop {
	w.t.Helper()
	return startDesktop(w.t, w.screen, w.installed, w.socket)
}
