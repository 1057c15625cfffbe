package vmtest_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The guest itself must be right before anything is said about the program in
// it: names, connections out and in, and a restart.
func TestGuestIsAComputerWithANetwork(t *testing.T) {
	g := boot(t)
	ctx := deadline(t, 5*time.Minute)
	for _, script := range []string{
		"systemctl start outside && curl -sS --retry 10 --retry-connrefused -m 30 http://peer.test/",
		"outside udp 10.99.0.2:7",
		"mkdir -p /tmp/www && cp /usr/local/bin/outside /tmp/www/server; (/tmp/www/server serve /tmp/www/log >/dev/null 2>&1 &); ip netns exec outside curl -sS --retry 10 --retry-connrefused -m 30 http://10.99.0.1/",
	} {
		r, err := g.Run(ctx, script, nil)
		if err != nil || r.Code != 0 || strings.TrimSpace(r.Stdout) != "ok" {
			t.Errorf("%s: %+v %v", script, r, err)
		}
	}
	if err := g.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := g.Run(ctx, "cat /var/log/arrivals", nil); err != nil || !strings.Contains(r.Stdout, "udp 10.99.0.1") {
		t.Errorf("after a reboot: %+v %v", r, err)
	}
}

// A test run that is killed leaves no guest running and no disk behind.
func TestGuestEndsWithTheProcessThatBootedIt(t *testing.T) {
	const inner = "SALLYPORT_TEST_ONLY_BOOT"
	if os.Getenv(inner) != "" {
		fmt.Println("guest", boot(t).PID())
		io.Copy(io.Discard, os.Stdin)
		return
	}
	boot(t).Close() // where no guest can be had, this names the reason
	ctx := deadline(t, 3*time.Minute)
	temp := t.TempDir()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), inner+"=1", "TMPDIR="+temp)
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "guest "); ok {
			pid, err = strconv.Atoi(text)
		}
	}
	c.Process.Kill()
	c.Wait()
	if pid == 0 || err != nil {
		t.Fatal("no guest was booted:", err)
	}
	process := fmt.Sprintf("/proc/%d", pid)
	for _, err := os.Stat(process); err == nil; _, err = os.Stat(process) {
		select {
		case <-ctx.Done():
			t.Fatal("qemu outlives the process that started it")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
