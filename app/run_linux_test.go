package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/netfilter"
	"sallyport.dev/sallyport/ui"
)

// serverMain accepts connections until it is killed.
func serverMain(address string) int {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		c.Close()
	}
}

// cable is two network namespaces with a cable between them; a server answers
// in the second.
type cable struct{ near, far string }

func newCable(t *testing.T) cable {
	t.Helper()
	if !privileged(t) {
		t.Skip("network namespaces need root")
	}
	if err := netfilter.Supported(); err != nil {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	c := cable{fmt.Sprintf("sprun-a%d", os.Getpid()), fmt.Sprintf("sprun-b%d", os.Getpid())}
	t.Cleanup(func() {
		exec.Command("ip", "netns", "del", c.near).Run()
		exec.Command("ip", "netns", "del", c.far).Run()
	})
	script := fmt.Sprintf(`set -e
ip netns add %[1]s; ip netns add %[2]s
ip -n %[1]s link add va type veth peer name vb netns %[2]s
ip -n %[1]s addr add 10.78.0.1/24 dev va; ip -n %[2]s addr add 10.78.0.2/24 dev vb
for n in %[1]s %[2]s; do ip -n $n link set lo up; done
ip -n %[1]s link set va up; ip -n %[2]s link set vb up`, c.near, c.far)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("make namespaces: %v: %s", err, out)
	}
	server := exec.Command("nsenter", "--net=/run/netns/"+c.far, "/proc/self/exe")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server.Args[2] = self
	server.Env = append(os.Environ(), "SALLYPORT_TEST_SERVER=10.78.0.2:7000")
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the server says %q: %v", line, err)
	}
	return c
}

// terminal is a pseudo terminal; text collects what is printed on it.
type terminal struct {
	*os.File
	slave *os.File
	text  chan string
	seen  *string // shown, but not expected yet
}

func newTerminal(t *testing.T) terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	term := terminal{master, slave, make(chan string, 1024), new(string)}
	go func() {
		defer close(term.text)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			term.text <- string(buf[:n])
		}
	}()
	return term
}

// expect reads until the terminal shows one of what is wanted, and returns what
// it showed up to there.
func (term terminal) expect(t *testing.T, want ...string) string {
	t.Helper()
	for end := time.After(20 * time.Second); ; {
		for _, w := range want {
			if before, after, found := strings.Cut(*term.seen, w); found {
				*term.seen = after
				return before + w
			}
		}
		select {
		case s, ok := <-term.text:
			if !ok {
				t.Fatalf("the terminal closed after %q, want %q", *term.seen, want)
			}
			*term.seen += s
		case <-end:
			t.Fatalf("the terminal shows %q, want %q", *term.seen, want)
		}
	}
}

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
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + c.near, program, "run"}, args...)...)
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
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
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
		cmd.Env = append(os.Environ(), env...)
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
			cmd := runInside(t, c, "--", "bash", "-c", connect)
			inside, err := os.Open(group)
			if err != nil {
				t.Fatal(err)
			}
			defer inside.Close()
			cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, UseCgroupFD: true, CgroupFD: int(inside.Fd())}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
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
