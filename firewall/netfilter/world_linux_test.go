package netfilter_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall/netfilter"
)

const (
	clientAddr, peerAddr   = "10.77.0.1", "10.77.0.2"
	clientAddr6, peerAddr6 = "fd77::1", "fd77::2"

	// deadline bounds every wait; nothing here needs more than a part of it.
	deadline = 30 * time.Second
)

// world is a client's network namespace, where the firewall runs, and a
// peer's, with a cable between them, and a cgroup for the client's programs.
// The machine's own namespace and cgroup root stay as they are.
type world struct {
	t      *testing.T
	holder *child[string] // keeps the client's network and mount namespaces
	peer   *child[sighting]
	cgroup string
	dir    string // of the programs
	file   *os.File
}

var worlds atomic.Int32

func newWorld(t *testing.T) *world {
	t.Helper()
	requirePrivileged(t)
	w := &world{t: t, dir: t.TempDir()}
	w.makeCgroup()
	w.holder = startChild[string](t, roleCommand("holder", syscall.CLONE_NEWNS|syscall.CLONE_NEWNET), nil)
	w.holder.next(t)
	w.peer = startChild[sighting](t, roleCommand("peer", syscall.CLONE_NEWNET), nil)
	w.peer.next(t)
	for _, line := range []string{
		fmt.Sprintf("link add vc type veth peer name vs netns %d", w.peer.cmd.Process.Pid),
		"addr add " + clientAddr + "/24 dev vc", "addr add " + clientAddr6 + "/64 dev vc nodad", "link set vc up",
	} {
		w.mustRun(w.outside("ip", strings.Fields(line)...))
	}
	for _, line := range []string{
		"addr add " + peerAddr + "/24 dev vs", "addr add " + peerAddr6 + "/64 dev vs nodad", "link set vs up",
	} {
		peer := []string{"-t", strconv.Itoa(w.peer.cmd.Process.Pid), "-n", "--", "ip"}
		w.mustRun(exec.Command("nsenter", append(peer, strings.Fields(line)...)...))
	}
	w.see("start")
	return w
}

func requirePrivileged(t *testing.T) {
	t.Helper()
	var missing string
	if os.Geteuid() != 0 {
		missing = "needs root: it makes network namespaces and loads eBPF programs"
	} else if err := netfilter.Supported(); err != nil {
		missing = err.Error()
	}
	if missing == "" {
		return
	}
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// roleCommand runs this binary in a role, in new namespaces.
func roleCommand(role string, namespaces uintptr) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVariable+"="+role)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	return c
}

// holderRole is the client's namespaces, for as long as it lives.
func holderRole() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// The backend is to mount bpffs itself, and its pins die with this namespace.
	for unix.Unmount("/sys/fs/bpf", unix.MNT_DETACH) == nil {
	}
	if err := linkUp("lo"); err != nil {
		return err
	}
	os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0)
	fmt.Println(`"ready"`)
	_, err := bufio.NewReader(os.Stdin).ReadString(0)
	_ = err // the end of input is the end of the world
	return nil
}

// linkUp switches an interface of this network namespace on.
func linkUp(name string) error {
	if out, err := exec.Command("ip", "link", "set", name, "up").CombinedOutput(); err != nil {
		return fmt.Errorf("switch %s on: %w: %s", name, err, out)
	}
	return nil
}

func (w *world) makeCgroup() {
	w.t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil || len(mounts) == 0 {
		w.t.Fatalf("find the cgroup v2 tree: %v", err)
	}
	const prefix = "sallyport-test-"
	tree := mounts[0].Mountpoint
	// A test run that was killed could not clean up after itself.
	old, _ := filepath.Glob(filepath.Join(tree, prefix+"*"))
	for _, folder := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), prefix), "-")
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			unix.Rmdir(folder)
		}
	}
	w.cgroup = filepath.Join(tree, fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), worlds.Add(1)))
	if err := os.Mkdir(w.cgroup, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if w.file, err = os.Open(w.cgroup); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.file.Close()
		os.WriteFile(filepath.Join(w.cgroup, "cgroup.kill"), []byte("1"), 0)
		await(w.t, "the test cgroup to be empty", func() bool { return unix.Rmdir(w.cgroup) == nil })
	})
}

// outside prepares a command in the client's namespaces that the firewall does
// not filter.
func (w *world) outside(program string, arguments ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(w.holder.cmd.Process.Pid), "-m", "-n", "--", program}
	c := exec.Command("nsenter", append(enter, arguments...)...)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// inside prepares a command in the client's namespaces and the filtered cgroup.
func (w *world) inside(program string, arguments ...string) *exec.Cmd {
	c := w.outside(program, arguments...)
	c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(w.file.Fd())
	return c
}

// moveInside puts a running process into the filtered cgroup.
func (w *world) moveInside(pid int) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.cgroup, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mustRun(c *exec.Cmd) string {
	w.t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
	return string(out)
}

// see sends the peer a datagram that no firewall filters and waits for it:
// whatever left before has then arrived. It returns what the peer has seen.
func (w *world) see(marker string) sighting {
	w.t.Helper()
	marker += "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	script := fmt.Sprintf("exec 3<>/dev/udp/%s/%d; printf %%s %s >&3", peerAddr, markerPort, marker)
	w.mustRun(w.outside("bash", "-c", script))
	w.peer.send(w.t, "seen "+marker)
	return w.peer.next(w.t)
}

// await polls for a state of the kernel that nobody can be told of.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(deadline); !done(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited %v for %s", deadline, what)
		}
	}
}
