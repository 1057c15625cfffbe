package windivert

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"
)

// network is a client's network namespace, where Wine runs, and a server's,
// with a cable between them. Both end with the test.
type network struct {
	*testing.T
	client, server string // paths of the namespaces
	carrier        net.Listener
	conn           net.Conn
	raw            int // sends as the server
	queue          *nfqueue.Nfqueue
	accepted       atomic.Bool
	in             chan message

	mu      sync.Mutex
	out     *json.Encoder
	waiting map[string][]uint32 // numbers of the packets in the queue
}

func newNetwork(t *testing.T) *network {
	n := &network{T: t, in: make(chan message, 100), waiting: map[string][]uint32{}}
	var listener net.Listener
	n.server = n.namespace(func(string) (err error) {
		n.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	t.Cleanup(func() { unix.Close(n.raw) })
	n.client = n.namespace(func(self string) (err error) {
		if err := inNamespace(self, "ip link set lo up", "ip link add vc type veth peer name vs netns "+n.server,
			"ip addr add "+realClient+"/24 dev vc", "ip link set vc up",
			fmt.Sprintf("iptables -A OUTPUT -d 10.78.0.2 -j NFQUEUE --queue-num %d", realQueue)); err != nil {
			return err
		}
		if n.carrier, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		n.queue, err = nfqueue.Open(&nfqueue.Config{NfQueue: realQueue, MaxQueueLen: 1000, MaxPacketLen: 0xffff, Copymode: nfqueue.NfQnlCopyPacket})
		return err
	})
	if err := inNamespace(n.server, "ip addr add 10.78.0.2/24 dev vs", "ip link set vs up"); err != nil {
		t.Fatal(err)
	}
	n.within(n.server, func() (err error) {
		listener, err = net.Listen("tcp", realServer)
		return err
	})
	t.Cleanup(func() { listener.Close(); n.carrier.Close(); n.queue.Close() })
	go n.serve(listener)
	return n
}

// namespace makes a network namespace, which lasts as long as the test.
func (n *network) namespace(prepare func(path string) error) (path string) {
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

func (n *network) within(namespace string, f func() error) {
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

// thread runs f on a thread that ends with it.
func (n *network) thread(f func() error) {
	n.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
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

func (n *network) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		n.accepted.Store(true)
		conn.Write([]byte("welcome"))
		conn.Close()
	}
}
