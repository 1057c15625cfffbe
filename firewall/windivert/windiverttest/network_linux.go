package windiverttest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"
)

// Client is the address of the programs in Wine, Server where the server
// listens.
var (
	Client = netip.MustParseAddr("10.78.0.1")
	Server = netip.MustParseAddrPort("10.78.0.2:4000")
)

// queueNumber is the queue of the client's network namespace.
const queueNumber = 1

// Network is a client's network namespace, where Wine runs, and a server's,
// with a cable between them. Both end with the test. Only what goes to the
// server's address waits for the driver.
type Network struct {
	testing.TB
	client, server string // paths of the namespaces
	reached        atomic.Int32
	carrier
}

// Needs are the programs that a network needs, besides Wine.
var Needs = []string{"ip", "iptables", "nsenter"}

// NewNetwork makes a network for the test; only root can.
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	n := &Network{TB: t, carrier: carrier{waiting: map[string][]uint32{}}}
	n.server = n.namespace(func(string) (err error) {
		n.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	t.Cleanup(func() { unix.Close(n.raw) })
	n.client = n.namespace(func(self string) (err error) {
		if err := inNamespace(self, "ip link set lo up", "ip link add vc type veth peer name vs netns "+n.server,
			fmt.Sprintf("ip addr add %s/24 dev vc", Client), "ip link set vc up",
			fmt.Sprintf("iptables -A OUTPUT -d %s -j NFQUEUE --queue-num %d", Server.Addr(), queueNumber)); err != nil {
			return err
		}
		if n.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		t.Cleanup(func() { n.listener.Close() })
		n.queue, err = nfqueue.Open(&nfqueue.Config{NfQueue: queueNumber, MaxQueueLen: 1000, MaxPacketLen: 0xffff, Copymode: nfqueue.NfQnlCopyPacket})
		return err
	})
	t.Cleanup(func() { n.queue.Close() })
	if err := inNamespace(n.server, fmt.Sprintf("ip addr add %s/24 dev vs", Server.Addr()), "ip link set vs up"); err != nil {
		t.Fatal(err)
	}
	var server net.Listener
	n.within(n.server, func() (err error) {
		server, err = net.Listen("tcp", Server.String())
		return err
	})
	t.Cleanup(func() { server.Close() })
	go n.serve(server)
	return n
}

// Within has a command run in the client's namespace. Wine's server opens the
// sockets of all its programs: where it was started is where they are.
func (n *Network) Within(c *exec.Cmd) *exec.Cmd {
	inside := exec.Command("nsenter", append([]string{"--net=" + n.client, "--", c.Path}, c.Args[1:]...)...)
	inside.Env = c.Env
	return inside
}

// Dial connects from the client's namespace.
func (n *Network) Dial(network, address string) (conn net.Conn, err error) {
	n.within(n.client, func() error {
		conn, err = net.Dial(network, address)
		return nil
	})
	return conn, err
}

// Reached counts the connections that the server has accepted.
func (n *Network) Reached() int { return int(n.reached.Load()) }

// namespace makes a network namespace, which lasts as long as the test.
func (n *Network) namespace(prepare func(path string) error) (path string) {
	n.Helper()
	var file *os.File
	n.thread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
		return prepare(path)
	})
	n.Cleanup(func() { file.Close() })
	return path
}

func (n *Network) within(namespace string, f func() error) {
	n.Helper()
	n.thread(func() error {
		file, err := os.Open(namespace)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// thread runs f on a thread of its own, which returns to the machine's network
// namespace: if it ended, so would processes that are to end with the thread
// that has started them.
func (n *Network) thread(f func() error) {
	n.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		err = f()
		if returned := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); returned == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.Fatal(err)
	}
}

func inNamespace(path string, lines ...string) error {
	for _, line := range lines {
		c := exec.Command("nsenter", append([]string{"--net=" + path, "--"}, strings.Fields(line)...)...)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	return nil
}

// serve answers greetings.
func (n *Network) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		n.reached.Add(1)
		go func() {
			defer conn.Close()
			greeting := make([]byte, len(hello))
			if _, err := conn.Read(greeting); err == nil && string(greeting) == hello {
				conn.Write([]byte(Welcome))
			}
		}()
	}
}
