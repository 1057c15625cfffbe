package app

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
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
