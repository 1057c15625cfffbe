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
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
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

func (w *world) load(ctx context.Context, args ...string) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var says bytes.Buffer
	c := w.clientCommand(ctx, append([]string{w.generator}, args...)...)
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

// start starts an engine for the client, with the data of this name.
func (w *world) start(ctx context.Context, data string) error {
	socket := filepath.Join(w.dir, "run", "s.sock")
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return err
	}
	w.engine = w.in(ctx, w.client, append(w.resolving(), w.program, "engine", "--cgroup", w.cgroup, "--data", filepath.Join(w.dir, data), "--socket", socket)...)
	w.engine.Stderr = &w.engineSays
	if err := w.engine.Start(); err != nil {
		return err
	}
	w.control = link.NewClient(socket)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		_, err := w.control.Status(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the engine does not start: %w: %s", err, w.engineSays.String())
		}
	}
}

// resolving runs a command for which the server is the configured resolver, so
// that its names are learnt as a resolver's are.
func (w *world) resolving() []string {
	return []string{"unshare", "--mount", "sh", "-ec", `echo "nameserver ` + server + `" >"$0"
mount --bind "$0" /etc/resolv.conf
exec "$@"`, filepath.Join(w.dir, "resolv.conf")}
}

// stop ends the engine; networking is then as without it.
func (w *world) stop() error {
	engine := w.engine
	w.engine = nil
	if err := engine.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := engine.Wait(); err != nil {
		return fmt.Errorf("the engine ended: %w: %s", err, w.engineSays.String())
	}
	return nil
}

// permit allows the load generator and adds rules for so many other programs.
func (w *world) permit(ctx context.Context, others int) error {
	if _, err := w.control.AddRule(ctx, ui.Rule{Program: w.generator, Verdict: firewall.Allow, Until: "always", Enabled: true}); err != nil {
		return err
	}
	if others == 0 {
		return nil
	}
	text, err := w.control.Export(ctx)
	if err != nil {
		return err
	}
	more := persistence.Document{}
	for i := range others {
		more.Rules = append(more.Rules, firewall.Rule{
			ID: firewall.RuleID(fmt.Sprintf("bench-%d", i)), Program: fmt.Sprintf("/opt/other/program-%d", i/4),
			Port: uint16(1 + i%4), Verdict: firewall.Verdict(i % 2), Created: time.Now().UTC(),
		})
	}
	lines, err := more.Encode()
	if err != nil {
		return err
	}
	_, lines, _ = bytes.Cut(lines, []byte("\n")) // the exported text has the heading already
	_, err = w.control.Import(ctx, append(text, lines...), true)
	return err
}

// ask starts a program that was never seen, and answers when asked. It tells
// how long the question and, after the answer, the connection took.
func (w *world) ask(ctx context.Context) (asked, connected time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	w.asked++
	path := filepath.Join(w.dir, fmt.Sprintf("new%d", w.asked))
	if out, err := exec.Command("cp", w.generator, path).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("copy the program: %w: %s", err, out)
	}
	questions := make(chan ui.Prompt, 1)
	watching := make(chan struct{}, 1)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go w.control.Watch(watch, func(e ui.Event) {
		if e.Prompts == nil {
			return
		}
		select {
		case watching <- struct{}{}:
		default:
		}
		for _, p := range *e.Prompts {
			if p.Program == path {
				select {
				case questions <- p:
				default:
				}
			}
		}
	})
	select {
	case <-watching:
	case <-ctx.Done():
		return 0, 0, errors.New("no news from the engine")
	}
	c := w.clientCommand(ctx, path, "once")
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	var p ui.Prompt
	select {
	case p = <-questions:
	case <-ctx.Done():
		return 0, 0, errors.New("nobody was asked")
	}
	seen := time.Now()
	if err := w.control.Answer(ctx, ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		return 0, 0, err
	}
	var once struct {
		Start     int64   `json:"t0_ns"`
		Connected float64 `json:"p50_us"`
	}
	if err := json.NewDecoder(out).Decode(&once); err != nil {
		return 0, 0, err
	}
	if err := c.Wait(); err != nil {
		return 0, 0, err
	}
	start := time.Unix(0, once.Start)
	connected = start.Add(time.Duration(once.Connected * 1000)).Sub(seen)
	return seen.Sub(start), connected, nil
}

// memory is what the engine has resident, in bytes.
func (w *world) memory() (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.engine.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kB uint64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kB); n == 1 {
			return kB << 10, nil
		}
	}
	return 0, errors.New("no VmRSS")
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
