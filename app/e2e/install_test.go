//go:build linux

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The person in front of the screen is nobody, whom the engine lets in.
const personName, personID = "nobody", 65534

// installed is the program where a person can run it, as scripts/install puts
// it: root's, and setgid to a group that nobody is in.
type installed struct {
	folder string
	home   string // the person's
	binary string
}

func install(t testing.TB) installed {
	t.Helper()
	built := program(t)
	const mark = 54329
	// Where /tmp is a file system of its own, it may not know setgid.
	parent := os.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(parent, &fs); err == nil && fs.Flags&unix.ST_NOSUID != 0 {
		parent = "/var/tmp"
	}
	folder, err := os.MkdirTemp(parent, "sallyport-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	p := installed{folder, filepath.Join(folder, "home"), filepath.Join(folder, "sallyport")}
	code, err := os.ReadFile(built)
	err = errors.Join(err, os.Chmod(p.folder, 0o755), os.Mkdir(p.home, 0o700), os.Chown(p.home, personID, personID),
		os.WriteFile(p.binary, code, 0o755), os.Chown(p.binary, 0, mark), os.Chmod(p.binary, 0o755|os.ModeSetgid))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// asPerson makes a command that the person runs.
func (p installed) asPerson(env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: personID, Gid: personID}}
	cmd.Env = append(os.Environ(), env...)
	return cmd
}
