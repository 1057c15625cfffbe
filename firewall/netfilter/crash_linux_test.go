package netfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"sallyport.dev/sallyport/firewall"
)

// traces lists what a firewall may leave: tables, pins, programs on the cgroup.
// The kernel itself puts maps.debug and progs.debug into every bpffs.
func (w *world) traces() string {
	w.t.Helper()
	tables := w.mustRun(w.outside("nft", "list", "tables"))
	pins := w.mustRun(w.outside("sh", "-c", "mountpoint -q /sys/fs/bpf && find /sys/fs/bpf -mindepth 1 ! -name '*.debug' || true"))
	var cgroups []string
	filepath.WalkDir(w.cgroup, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != w.cgroup {
			cgroups = append(cgroups, path)
		}
		return nil
	})
	var left []string
	for line := range strings.Lines(tables + pins + strings.Join(append(cgroups, w.attached()...), "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			left = append(left, line)
		}
	}
	return strings.Join(left, "\n")
}

// tries connects with a new process of a program and says how it went.
func (w *world) tries(path string) string {
	w.t.Helper()
	program := w.talk(path)
	must(w.t, program, "open tcp4")
	r := do(w.t, program, "connect 10.77.0.2:7000")
	w.end(program)
	return r.Error
}

// end ends a program.
func (w *world) end(program *talker) {
	w.t.Helper()
	program.in.Close()
	program.wait(w.t)
}

func TestAfterACrashDecidedProgramsKeepTheirDecision(t *testing.T) {
	for _, failOpen := range []bool{false, true} {
		name := map[bool]string{false: "fail-closed", true: "fail-open"}[failOpen]
		t.Run(name, func(t *testing.T) {
			world := newWorld(t)
			g := world.guard(setup{FailOpen: failOpen})
			good, bad, unknown := world.program("good"), world.program("bad"), world.program("unknown")
			for path, verdict := range map[string]firewall.Verdict{good: firewall.Allow, bad: firewall.Block} {
				program := world.talk(path)
				must(t, program, "open tcp4")
				program.send(t, "connect 10.77.0.2:7000")
				g.remember(g.asked(path), verdict)
				program.next(t)
				world.tries(path) // the kernel knows the decision now
			}
			g.unasked(t)
			g.kill()
			if got := world.tries(good); got != "" {
				t.Errorf("after the crash, the allowed program says %q", got)
			}
			if got := world.tries(bad); got != "EPERM" {
				t.Errorf("after the crash, the blocked program says %q, want EPERM", got)
			}
			before := world.see("before")["tcp 7000"]
			stranger := world.talk(unknown)
			must(t, stranger, "open tcp4")
			stranger.send(t, "connect 10.77.0.2:7000")
			if failOpen {
				if r := stranger.next(t); r.Error != "" {
					t.Errorf("fail-open, but an unknown program says %q", r.Error)
				}
			} else {
				datagrams := world.talk(unknown)
				must(t, datagrams, "open udp4")
				do(t, datagrams, "sendto 10.77.0.2:7000 hello")
				seen := world.see("after")
				if seen["tcp 7000"] != before || seen["udp 7000"] != 0 {
					t.Errorf("fail-closed, but an unknown program reached the peer: %v", seen)
				}
			}
			stranger.cmd.Process.Kill()
			stranger.wait(t)

			// The next start takes over.
			g = world.guard(g.setup)
			if got := world.tries(good); got != "" {
				t.Errorf("after the restart, the allowed program says %q", got)
			}
			if got := world.tries(bad); got != "EPERM" && got != "ECONNABORTED" {
				t.Errorf("after the restart, the blocked program says %q", got)
			}
			stranger = world.talk(unknown)
			must(t, stranger, "open tcp4")
			stranger.send(t, "connect 10.77.0.2:7000")
			g.once(g.asked(unknown), firewall.Block)
			if r := stranger.next(t); r.Error == "" {
				t.Error("after the restart, a blocked unknown program connected")
			}
			g.stop()
			if left := world.traces(); left != "" {
				t.Errorf("after the stop there is still:\n%s", left)
			}
		})
	}
}

// attached lists the eBPF programs on the client's cgroup.
func (w *world) attached() (programs []string) {
	w.t.Helper()
	dir, err := os.Open(w.cgroup)
	if err != nil {
		w.t.Fatal(err)
	}
	defer dir.Close()
	for _, hook := range []ebpf.AttachType{
		ebpf.AttachCGroupInetIngress, ebpf.AttachCGroupInetEgress, ebpf.AttachCGroupInetSockCreate, ebpf.AttachCgroupInetSockRelease,
		ebpf.AttachCGroupSockOps, ebpf.AttachCGroupDevice, ebpf.AttachCGroupInet4Bind, ebpf.AttachCGroupInet6Bind,
		ebpf.AttachCGroupInet4PostBind, ebpf.AttachCGroupInet6PostBind, ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect,
		ebpf.AttachCGroupUDP4Sendmsg, ebpf.AttachCGroupUDP6Sendmsg, ebpf.AttachCGroupUDP4Recvmsg, ebpf.AttachCGroupUDP6Recvmsg,
		ebpf.AttachCgroupInet4GetPeername, ebpf.AttachCgroupInet6GetPeername, ebpf.AttachCgroupInet4GetSockname, ebpf.AttachCgroupInet6GetSockname,
		ebpf.AttachCGroupGetsockopt, ebpf.AttachCGroupSetsockopt, ebpf.AttachCGroupSysctl,
	} {
		found, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: hook})
		if err != nil {
			w.t.Fatalf("list the programs at %v: %v", hook, err)
		}
		for _, program := range found.Programs {
			programs = append(programs, fmt.Sprintf("program %d at %v", program.ID, hook))
		}
	}
	return programs
}

func TestStoppingLeavesNetworkingAsItWasFound(t *testing.T) {
	world := newWorld(t)
	before := world.traces()
	g := world.guard(setup{})
	path, held := world.program("any"), world.program("held")
	waiting := world.talk(held)
	must(t, waiting, "open tcp4")
	waiting.send(t, "connect 10.77.0.2:7000")
	g.asked(held)
	g.stop()
	if after := world.traces(); after != before {
		t.Errorf("there is still:\n%s", after)
	}
	if got := world.tries(path); got != "" {
		t.Errorf("after the stop, a program says %q", got)
	}
}

func TestRecoverRemovesWhatAKilledEngineLeft(t *testing.T) {
	world := newWorld(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rescue := func(force string) (string, error) {
		c := world.outside(self)
		c.Env = append(os.Environ(), roleVariable+"=recover", "SALLYPORT_TEST_FORCE="+force)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	g := world.guard(setup{})
	path := world.program("any")
	if out, err := rescue("0"); err == nil {
		t.Errorf("recover did not refuse while an engine lives: %s", out)
	}
	g.kill()
	if left := world.traces(); left == "" {
		t.Error("a killed engine left nothing: unknown programs pass")
	}
	out, err := rescue("0")
	if err != nil {
		t.Fatalf("recover: %v: %s", err, out)
	}
	t.Logf("recovered:\n%s", out)
	if left := world.traces(); left != "" {
		t.Errorf("after recover there is still:\n%s", left)
	}
	if got := world.tries(path); got != "" {
		t.Errorf("after recover, a program says %q", got)
	}
}
