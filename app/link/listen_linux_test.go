package link

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestTheFolderAndTheSocketLetInWhoTheyShould(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal("giving files to a group needs root")
		}
		t.Skip("giving files to a group needs root")
	}
	for _, test := range []struct {
		name   string
		access Access
		want   string
	}{
		{"a group", Access{GID: 54321}, "0:54321 750, 54321 660"},
		{"a group and a user", Access{GID: 54321, UID: 1000}, "0:54321 751, 54321 666"},
		{"a user", Access{GID: -1, UID: 1000}, "0:0 751, 0 666"},
		{"nobody", Access{GID: -1}, "0:0 700, 0 600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "run")
			l, err := Listen(filepath.Join(folder, "s.sock"), test.access)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var f, s syscall.Stat_t
			if err := syscall.Stat(folder, &f); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Stat(filepath.Join(folder, "s.sock"), &s); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d:%d %o, %d %o", f.Uid, f.Gid, f.Mode&0o777, s.Gid, s.Mode&0o777); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAFileInTheWayIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, Access{GID: -1}); err == nil {
		t.Error("it listens on a file")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q: %v", text, err)
	}
	other := filepath.Join(dir, "other.sock")
	if err := os.Symlink(path, other+".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(other, Access{GID: -1}); err == nil {
		t.Error("it locks a file that a link names")
	}
	long := filepath.Join(dir, fmt.Sprintf("%0200d", 1))
	if _, err := Listen(long, Access{GID: -1}); err == nil {
		t.Error("it listens on a path that the system cuts")
	}
}

// TestAProcessThatEndedIsNobody has a peer whose number may be another's by now.
func TestAProcessThatEndedIsNobody(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[1])
	f := os.NewFile(uintptr(pair[0]), "pair")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := peerOf(c.(*net.UnixConn))
	if err != nil {
		t.Fatal(err)
	}
	defer p.process.close()
	if p.PID != os.Getpid() || !p.alive() {
		t.Errorf("this process is %d, alive %t", p.PID, p.alive())
	}
	child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	ticks := startTicks(child.Pid)
	if _, err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []Peer{{PID: child.Pid, Started: ticks}, {PID: os.Getpid(), Started: 1}, {PID: os.Getpid()}} {
		if gone.alive() {
			t.Errorf("alive: %+v", gone)
		}
	}
}
