package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"

	"sallyport.dev/sallyport/app/link"
	_ "sallyport.dev/sallyport/app/startenv" // before all else, Fyne in particular
)

const server = "10.77.0.2" // the load generator's default

// world is a client's and a server's network namespace with a cable between
// them, a cgroup for the client's programs, and the firewall around these.
type world struct {
	client, peer string // namespaces
	dir, cgroup  string
	group        *os.File
	program      string // sallyport
	generator    string // of the load
	server       *exec.Cmd
	engine       *exec.Cmd
	engineSays   bytes.Buffer
	control      *link.Client
	asked        int
}

func newWorld(ctx context.Context, program, load string) (w *world, err error) {
	w = &world{client: fmt.Sprintf("bench-c%d", os.Getpid()), peer: fmt.Sprintf("bench-s%d", os.Getpid()), program: program, generator: load}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return w, err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil || len(mounts) == 0 {
		return w, errors.Join(errors.New("there is no cgroup v2"), err)
	}
	w.cgroup = filepath.Join(mounts[0].Mountpoint, filepath.Base(w.dir))
	if err = os.Mkdir(w.cgroup, 0o755); err != nil {
		return w, err
	}
	if w.group, err = os.Open(w.cgroup); err != nil {
		return w, err
	}
	script := fmt.Sprintf(`set -e
ip netns add %[1]s; ip netns add %[2]s
ip -n %[1]s link add vc type veth peer name vs netns %[2]s
ip -n %[1]s addr add 10.77.0.1/24 dev vc; ip -n %[2]s addr add %[3]s/24 dev vs
for n in %[1]s %[2]s; do ip -n $n link set lo up; done
ip -n %[1]s link set vc up; ip -n %[2]s link set vs up
for n in %[1]s %[2]s; do ip netns exec $n sh -c 'cd /proc/sys/net
  echo "1024 65535" > ipv4/ip_local_port_range
  for i in ipv4/tcp_max_tw_buckets=0 core/somaxconn=4096 ipv4/tcp_max_syn_backlog=8192 ipv4/tcp_syncookies=0; do
    [ ! -w "${i%%=*}" ] || echo "${i#*=}" > "${i%%=*}"; done'; done`, w.client, w.peer, server)
	if out, err := exec.CommandContext(ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return w, fmt.Errorf("make namespaces: %w: %s", err, out)
	}
	w.server = w.in(ctx, w.peer, append(processors("0"), load, "server")...)
	out, err := w.server.StdoutPipe()
	if err != nil {
		return w, err
	}
	if err = w.server.Start(); err != nil {
		return w, err
	}
	_, err = bufio.NewReader(out).ReadString('\n') // "ready"
	return w, err
}

// in is a command in a namespace that keeps the mounts (/sys above all).
func (w *world) in(ctx context.Context, namespace string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + namespace}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	return c
}

// processors keeps a command on these processors. Client and server have
// their own: whether the scheduler happens to put both on one changes a round
// trip more than a firewall does.
func processors(list string) []string {
	if runtime.NumCPU() == 1 {
		return nil
	}
	return []string{"taskset", "--cpu-list", list}
}

// clientCommand is a program that the firewall is to judge.
func (w *world) clientCommand(ctx context.Context, args ...string) *exec.Cmd {
	c := w.in(ctx, w.client, append(processors(fmt.Sprintf("1-%d", runtime.NumCPU()-1)), args...)...)
	c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(w.group.Fd())
	return c
}

// result is what the load generator prints.
type result struct {
	PerSecond float64           `json:"per_s"`
	P50       float64           `json:"p50_us"`
	P99       float64           `json:"p99_us"`
	MBps      float64           `json:"MB_per_s"`
	Errors    map[string]uint64 `json:"errs"`
}

func (w *world) load(ctx context.Context, args ...string) (result, error) {
	return w.run(ctx, w.generator, args...)
}

// run is load by a copy of the generator.
func (w *world) run(ctx context.Context, program string, args ...string) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var says bytes.Buffer
	c := w.clientCommand(ctx, append([]string{program}, args...)...)
	c.Stderr = &says
	out, err := c.Output()
	if err != nil {
		return r, fmt.Errorf("%s: %w: %s%s", strings.Join(args, " "), err, out, says.String())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("%s: %w", out, err)
	}
	if len(r.Errors) > 0 {
		return r, fmt.Errorf("%s: %v", strings.Join(args, " "), r.Errors)
	}
	return r, nil
}

func (w *world) close() {
	for _, c := range []*exec.Cmd{w.engine, w.server} {
		if c != nil && c.Process != nil {
			c.Process.Signal(syscall.SIGTERM)
			c.Wait()
		}
	}
	exec.Command("ip", "netns", "del", w.client).Run()
	exec.Command("ip", "netns", "del", w.peer).Run()
	if w.group != nil {
		w.group.Close()
	}
	if w.cgroup != "" {
		os.Remove(w.cgroup)
	}
	os.RemoveAll(w.dir)
}
