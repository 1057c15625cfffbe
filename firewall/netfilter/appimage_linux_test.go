package netfilter

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What a program opened for itself it does not pass on when it becomes another
// one; what was passed to it so is not its own.
func TestAnInheritedConnectionDoesNotMakeAProgramTheServer(t *testing.T) {
	needsRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		command []string
		serves  bool
	}{
		"opened":    {[]string{self}, true},
		"inherited": {[]string{"sh", "-euc", `exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 dead "$SALLYPORT_TEST_MOUNT"; echo mounted; exec cat`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := exec.Command("unshare", append([]string{"-m"}, test.command...)...)
			c.Env = append(os.Environ(), "SALLYPORT_TEST_ROLE=deadmount", "SALLYPORT_TEST_MOUNT="+dir)
			c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Wait()
			defer in.Close()
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "mounted") {
				t.Fatalf("it says %q, %v", line, err)
			}
			folder := fmt.Sprintf("/proc/%d", c.Process.Pid)
			mounts, err := mountsOf(filepath.Base(folder))
			if err != nil {
				t.Fatal(err)
			}
			at := mountAt(mounts, dir+"/x")
			if at == nil || at.FSType != "fuse" || userOf(at) != "0" {
				t.Fatalf("mounted at %s: %+v", dir, at)
			}
			if serves(folder, uint32(at.Minor)) != test.serves || serves(folder, uint32(at.Minor)+1) {
				t.Errorf("it serves the connection: %v, want %v", !test.serves, test.serves)
			}
		})
	}
}

func TestAnAppImageIsKnownByItsHead(t *testing.T) {
	dir := t.TempDir()
	for head, want := range map[string]bool{
		"\x7fELF\x02\x01\x01\x00AI\x02": true, "\x7fELF\x02\x01\x01\x00AI\x01": false, "\x7fELF\x02\x01\x01\x00\x00\x00\x00": false,
		"#!/bin/sh\nAI\x02": false, "\x7fELF": false, "": false,
	} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(head+strings.Repeat("x", 100)), 0o755); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, "exe")
		os.Remove(link)
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		file, err := openAppImage(link)
		if (err == nil) != want {
			t.Errorf("%q is an AppImage: %v", head, err)
		}
		if err == nil {
			b, _ := io.ReadAll(file)
			file.Close()
			if len(b) == 0 {
				t.Error("it cannot be read")
			}
		}
	}
}
