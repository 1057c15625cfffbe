package app

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// TestRunBesideAnEngineIsJudgedByBoth has an engine around a run.
func TestRunBesideAnEngineIsJudgedByBoth(t *testing.T) {
	c := newCable(t)
	dir := shared(t)
	group := cgroup(t)
	program := copyProgram(t, dir, 0, 0, 0o755)
	socket := filepath.Join(dir, "s.sock")
	engine := exec.Command("nsenter", "--net=/run/netns/"+c.near, program, "engine", "--cgroup", group, "--data", filepath.Join(dir, "data"), "--socket", socket)
	startPart(t, engine)
	client := link.NewClient(socket)
	within(t, "the engine answers", func() bool { _, err := client.Status(t.Context()); return err == nil })

	second := exec.Command("nsenter", "--net=/run/netns/"+c.near, program, "engine", "--cgroup", group, "--data", filepath.Join(dir, "other"), "--socket", filepath.Join(dir, "other.sock"))
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "sallyport: ") || !strings.Contains(string(out), "another engine filters "+group) {
		t.Errorf("a second engine: %v %s", err, out)
	}

	for _, test := range []struct {
		run, want string
		engine    firewall.Verdict
	}{{"ao", "connected", firewall.Allow}, {"do", "failed", firewall.Allow}, {"ao", "failed", firewall.Block}} {
		t.Run(fmt.Sprint(test.run, " ", test.engine), func(t *testing.T) {
			term := newTerminal(t)
			within(t, "no question is open", func() bool { ps, err := client.Prompts(t.Context()); return err == nil && len(ps) == 0 })
			cmd := term.startIn(t, c, group, connect)
			answered := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer close(answered)
				client.Watch(ctx, func(e ui.Event) {
					if e.Prompts == nil {
						return
					}
					for _, p := range *e.Prompts {
						client.Answer(ctx, ui.Answer{ID: p.ID, Verdict: test.engine, For: "once"})
					}
				})
			}()
			// Whoever blocks ends it; the other one may never be asked.
			if said := term.expect(t, "once: ", "failed"); strings.Contains(said, "once: ") {
				fmt.Fprintln(term, test.run)
				term.expect(t, test.want)
			} else if test.want != "failed" {
				t.Errorf("it says %q", said)
			}
			cmd.Wait()
			cancel()
			<-answered
			if left, _ := filepath.Glob(filepath.Join(group, "sallyport-run-*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if out, err := exec.Command("nsenter", "--net=/run/netns/"+c.near, "nft", "list", "tables").Output(); err != nil || strings.Count(string(out), "sallyport") != 1 {
				t.Errorf("the engine's table alone should be there: %s %v", out, err)
			}
		})
	}
	engine.Process.Signal(syscall.SIGTERM)
	engine.Wait()
	c.clean(t, 0)
}

// TestWhatAKilledRunLeavesIsRecovered kills one while a question is open, in a
// cgroup that is not the root.
func TestWhatAKilledRunLeavesIsRecovered(t *testing.T) {
	c := newCable(t)
	group := cgroup(t)
	term := newTerminal(t)
	cmd := term.startIn(t, c, group, connect)
	term.expect(t, "once: ")
	recovered := func() string {
		out, err := exec.Command("nsenter", "--net=/run/netns/"+c.near, cmd.Args[2], "recover").CombinedOutput()
		return fmt.Sprint(string(out), err)
	}
	if said := recovered(); !strings.Contains(said, "sallyport: ") {
		t.Errorf("while it runs, recover says %s", said)
	}
	cmd.Process.Kill()
	cmd.Wait()
	var said string
	within(t, "the killed run's cgroup goes", func() bool {
		said += recovered()
		left, _ := filepath.Glob(filepath.Join(group, "sallyport-run-*"))
		return len(left) == 0
	})
	for _, want := range []string{"removed nft table inet sallyport", "removed pinned programs", "removed cgroup " + group + "/sallyport-run-"} {
		if !strings.Contains(said, want) {
			t.Errorf("recover says %s, want %q", said, want)
		}
	}
	c.clean(t, cmd.Process.Pid)
}

// cgroup makes a cgroup for the time of the test.
func cgroup(t *testing.T) string {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil || len(mounts) == 0 {
		t.Fatal("no cgroup v2 is mounted", err)
	}
	dir := filepath.Join(mounts[0].Mountpoint, fmt.Sprintf("sallyport-beside-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		within(t, "the cgroup goes", func() bool { return os.Remove(dir) == nil })
	})
	return dir
}
