package networks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const role = "SALLYPORT_TEST_NETWORKS"

// TestMain watches, in a network namespace of its own, for a test.
func TestMain(m *testing.M) {
	if os.Getenv(role) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		bufio.NewReader(os.Stdin).ReadString(0)
		stop()
	}()
	if err := Watch(ctx, func(all []Network) { json.NewEncoder(os.Stdout).Encode(all) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Two interfaces, each to a router of its own, which come, change and go.
func TestNetworksComeAndGo(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal("needs root: it makes network namespaces")
		}
		t.Skip("needs root: it makes network namespaces")
	}
	watcher := exec.Command("/proc/self/exe")
	watcher.Env = append(os.Environ(), role+"=1")
	watcher.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := watcher.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := watcher.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	watcher.Stderr = os.Stderr
	if err := watcher.Start(); err != nil {
		t.Fatal(err)
	}
	router := exec.Command("sleep", "infinity")
	router.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		router.Process.Kill()
		router.Wait()
	})
	lists := make(chan []Network)
	go func() {
		defer close(lists)
		for d := json.NewDecoder(out); ; {
			var list []Network
			if d.Decode(&list) != nil {
				return
			}
			lists <- list
		}
	}()
	await := func(want string) {
		t.Helper()
		var got string
		for late := time.After(30 * time.Second); got != want; {
			select {
			case list, ok := <-lists:
				if !ok {
					t.Fatalf("the watcher ended; want %q", want)
				}
				var ids []string
				for _, n := range list {
					ids = append(ids, n.Interface+"="+n.ID())
				}
				got = strings.Join(ids, ", ")
			case <-late:
				t.Fatalf("the networks are %q, want %q", got, want)
			}
		}
	}
	ip := func(pid int, lines ...string) {
		t.Helper()
		for _, line := range lines {
			c := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-n", "--"}, strings.Fields(line)...)...)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
		}
	}
	here, there := watcher.Process.Pid, router.Process.Pid
	for i, name := range []string{"home", "cafe"} {
		ip(here, fmt.Sprintf("ip link add %s type veth peer name r%d address 00:00:5e:00:53:0%d netns %d", name, i, i+1, there),
			fmt.Sprintf("ip addr add 10.%d.0.5/24 dev %s", 80+i, name), "ip link set "+name+" up")
		ip(there, fmt.Sprintf("ip addr add 10.%d.0.1/24 dev r%d", 80+i, i), fmt.Sprintf("ip link set r%d up", i))
	}
	ip(here, "ip route add default via 10.80.0.1")
	await("home=")
	ip(here, "ip neigh replace 10.80.0.1 lladdr 00:00:5e:00:53:01 dev home nud stale")
	const home, cafe = "home=00:00:5e:00:53:01 10.80.0.0/24", "cafe=00:00:5e:00:53:02 10.81.0.0/24"
	await(home)
	ip(here, "ip route add default via 10.81.0.1 metric 100", "ip neigh replace 10.81.0.1 lladdr 00:00:5e:00:53:02 dev cafe nud stale")
	await(cafe + ", " + home)
	ip(here, "ip link set home down")
	await(cafe)
	in.Close()
	for range lists {
	}
	if err := watcher.Wait(); err != nil {
		t.Error(err)
	}
}
