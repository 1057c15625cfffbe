package app

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/firewall/netfilter"
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
	term := terminal{master, slave, make(chan string, 1024)}
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

// expect reads until the terminal shows what is wanted.
func (term terminal) expect(t *testing.T, want string) string {
	t.Helper()
	all, end := "", time.After(20*time.Second)
	for !strings.Contains(all, want) {
		select {
		case s, ok := <-term.text:
			if !ok {
				t.Fatalf("the terminal closed after %q, want %q", all, want)
			}
			all += s
		case <-end:
			t.Fatalf("the terminal shows %q, want %q", all, want)
		}
	}
	return all
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
			said := term.expect(t, test.want)
			if strings.Count(said, test.want) < 2 {
				said += term.expect(t, test.want)
			}
			err := cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 7 {
				t.Errorf("exit status %d (%v), want the command's: 7", got, err)
			}
			c.clean(t, cmd.Process.Pid)
		})
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
