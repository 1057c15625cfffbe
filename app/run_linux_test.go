package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runInside is sallyport run in a namespace, as a program of its own.
func runInside(t *testing.T, c cable, args ...string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sallyport")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + c.near, program, "run"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	return cmd
}

// clean checks that a run left nothing.
func (c cable) clean(t *testing.T, pid int) {
	t.Helper()
	out, err := exec.Command("nsenter", "--net=/run/netns/"+c.near, "nft", "list", "tables").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("tables are left: %s %v", out, err)
	}
	left, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/sallyport-run-%d", pid))
	more, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/unified/sallyport-run-%d", pid))
	if len(left)+len(more) > 0 {
		t.Errorf("cgroups are left: %v %v", left, more)
	}
}

const connect = `exec 3<>/dev/tcp/10.78.0.2/7000 && echo connected || echo failed`

func TestRunAsksOnTheTerminal(t *testing.T) {
	c := newCable(t)
	for _, test := range []struct{ answer, want string }{{"a", "connected"}, {"d", "failed"}} {
		t.Run(test.want, func(t *testing.T) {
			term := newTerminal(t)
			// The second connection of the same program is not asked about.
			cmd := runInside(t, c, "--", "bash", "-c", connect+"; "+connect+"; exit 7")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			asked := term.expect(t, "once: ")
			for _, want := range []string{"bash", "10.78.0.2:7000", "tcp"} {
				if !strings.Contains(asked, want) {
					t.Errorf("the question %q does not show %q", asked, want)
				}
			}
			fmt.Fprintln(term, test.answer)
			term.expect(t, test.want)
			term.expect(t, test.want)
			err := cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 7 {
				t.Errorf("exit status %d (%v), want the command's: 7", got, err)
			}
			c.clean(t, cmd.Process.Pid)
		})
	}
}

// start starts sallyport run with the terminal as its own.
func (term terminal) start(t *testing.T, c cable, script string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := runInside(t, c, "--", "bash", "-c", script)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// startIn is start for a caller in a cgroup.
func (term terminal) startIn(t *testing.T, c cable, group, script string) *exec.Cmd {
	t.Helper()
	inside, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	cmd := runInside(t, c, "--", "bash", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, UseCgroupFD: true, CgroupFD: int(inside.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// ends waits for the end of a run, which leaves nothing.
func (c cable) ends(t *testing.T, cmd *exec.Cmd, status int) {
	t.Helper()
	err := cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d (%v), want %d", got, err, status)
	}
	c.clean(t, cmd.Process.Pid)
}

func TestACommandThatReadsTheTerminalGetsItsInput(t *testing.T) {
	c := newCable(t)
	t.Run("before and after a question", func(t *testing.T) {
		term := newTerminal(t)
		cmd := term.start(t, c, "read -r a; echo got:$a; "+connect+"; read -r b; echo got:$b")
		fmt.Fprintln(term, "one")
		term.expect(t, "got:one")
		term.expect(t, "once: ")
		fmt.Fprintln(term, "a")
		term.expect(t, "connected")
		fmt.Fprintln(term, "two")
		term.expect(t, "got:two")
		c.ends(t, cmd, 0)
	})
	t.Run("while it reads", func(t *testing.T) {
		term := newTerminal(t)
		cmd := term.start(t, c, "("+connect+") & read -r a; echo got:$a; wait")
		term.expect(t, "once: ")
		fmt.Fprintln(term, "a")
		term.expect(t, "connected")
		fmt.Fprintln(term, "hello")
		term.expect(t, "got:hello")
		c.ends(t, cmd, 0)
	})
	t.Run("with the terminal to itself", func(t *testing.T) {
		term := newTerminal(t)
		cmd := term.start(t, c, "stty raw -echo; "+connect+"; stty -a | grep -o -e -icanon; stty sane")
		term.expect(t, "once: ")
		fmt.Fprintln(term, "a")
		term.expect(t, "connected")
		term.expect(t, "-icanon")
		c.ends(t, cmd, 0)
	})
}

func TestWhatWasTypedBeforeTheQuestionDoesNotAnswerIt(t *testing.T) {
	c := newCable(t)
	term := newTerminal(t)
	fmt.Fprintln(term, "a")
	cmd := term.start(t, c, connect)
	term.expect(t, "once: ")
	fmt.Fprintln(term, "what")
	term.expect(t, "please type a, d, ao or do")
	term.expect(t, "once: ")
	fmt.Fprintln(term, "d")
	if said := term.expect(t, "failed"); strings.Contains(said, "connected") {
		t.Errorf("an old line answered: %q", said)
	}
	c.ends(t, cmd, 0)
}

func TestASignalEndsACommandThatIsAskedAbout(t *testing.T) {
	c := newCable(t)
	for name, signal := range map[string]func(terminal, *exec.Cmd){
		"130 Ctrl-C":  func(term terminal, _ *exec.Cmd) { fmt.Fprint(term, "\x03") },
		"143 SIGTERM": func(_ terminal, cmd *exec.Cmd) { cmd.Process.Signal(syscall.SIGTERM) },
		"129 SIGHUP":  func(_ terminal, cmd *exec.Cmd) { cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t)
			cmd := term.start(t, c, connect)
			term.expect(t, "once: ")
			start := time.Now()
			signal(term, cmd)
			status := 0
			fmt.Sscan(name, &status)
			c.ends(t, cmd, status)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestRunIsTheInvokingUserAndPassesEverythingOn(t *testing.T) {
	c := newCable(t)
	run := func(env []string, args ...string) (string, int) {
		t.Helper()
		cmd := runInside(t, c, args...)
		cmd.Env = append(cmd.Env, env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, _ := cmd.CombinedOutput()
		c.clean(t, cmd.Process.Pid)
		_, said, _ := strings.Cut(string(out), "blocked\n")
		return said, cmd.ProcessState.ExitCode()
	}
	const who = "id -u; id -g; id -G; echo $HOME $USER; grep CapEff /proc/self/status"
	for _, test := range []struct {
		name string
		env  []string
		args []string
		want string
		code int
	}{
		{"a user", []string{"SUDO_UID=65534", "SUDO_GID=65534"}, []string{"sh", "-c", who}, "65534\n65534\n65534\n/nonexistent nobody\nCapEff:\t0000000000000000\n", 0},
		{"a user without an entry", []string{"SUDO_UID=54322", "SUDO_GID=54321"}, []string{"sh", "-c", "id -u; id -g"}, "54322\n54321\n", 0},
		{"root itself", nil, []string{"id", "-u"}, "0\n", 0},
		{"arguments", nil, []string{"--", "printf", "%s|", "--json", "-x", "a b", "--"}, "--json|-x|a b|--|", 0},
		{"arguments without dashes", nil, []string{"printf", "%s|", "--help"}, "--help|", 0},
		{"a status", nil, []string{"sh", "-c", "exit 42"}, "", 42},
		{"a signal", nil, []string{"sh", "-c", "kill -KILL $$"}, "", 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			if said, code := run(test.env, test.args...); said != test.want || code != test.code {
				t.Errorf("it says %q and ends with %d, want %q and %d", said, code, test.want, test.code)
			}
		})
	}
	for _, name := range []string{"no-such-command", "/etc/passwd", "/"} {
		cmd := runInside(t, c, name)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != failed || !strings.HasPrefix(string(out), "sallyport: run "+name+": ") {
			t.Errorf("%s: %d %q", name, cmd.ProcessState.ExitCode(), out)
		}
	}
}

func TestWhatACommandLeavesRunningEndsWithIt(t *testing.T) {
	c := newCable(t)
	cmd := runInside(t, c, "sh", "-c", "setsid -f sh -c 'echo $$; exec sleep 300' ; exit 3")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(out) // ends when nobody writes any more
	c.ends(t, cmd, 3)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("it says %q", text)
	}
	// Whoever inherits it may take a moment to bury it.
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("the daemon is left: %s", stat)
	}
}

func TestRunWithoutATerminalBlocksAndLeavesNothing(t *testing.T) {
	c := newCable(t)
	cmd := runInside(t, c, "bash", "-c", "echo started; kill -TERM $PPID; sleep 60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if !strings.Contains(string(out), "no terminal to ask on") || !strings.Contains(string(out), "started") {
		t.Errorf("it says %q (%v)", out, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGTERM) {
		t.Errorf("exit status %d, want 143", got)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("a signal took %v to end it", took)
	}
	c.clean(t, cmd.Process.Pid)
}

func TestRunWithoutRootSaysHow(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing another user needs root")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER=other run")
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), "sudo sallyport run curl") {
		t.Errorf("it says %q", out)
	}
}
