package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// copied is a copy of the test's own program in a folder of its own.
func copied(t *testing.T, mode os.FileMode) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, mode); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "program")
	if err := os.WriteFile(file, self, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// withoutRoot ends a test that needs root.
func withoutRoot(t *testing.T) {
	t.Helper()
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// ourselves is who may change what the test makes: root goes without saying.
func ourselves() string {
	if os.Getuid() == 0 {
		return ""
	}
	return userName(uint32(os.Getuid()))
}

func TestAFileThatIsNewAndNobodyElses(t *testing.T) {
	f := started(t, exec.Command(copied(t, 0o755)))
	if age := time.Since(f.File.Changed); age < -time.Second || age > time.Minute || f.File.Deleted || f.File.MemoryOnly {
		t.Errorf("%+v", f.File)
	}
	if f.File.Writer != ourselves() || len(f.Namespaces) > 0 || f.Container != "" || f.Loader != nil {
		t.Errorf("%+v", f)
	}
}

func TestAFileInAFolderThatAnyoneMayWriteTo(t *testing.T) {
	file := copied(t, 0o777)
	if f := started(t, exec.Command(file)).File; f.Writer != anyone || f.Writable != filepath.Dir(file) {
		t.Errorf("%+v", f)
	}
	// In such a folder with the sticky bit, like /tmp, each file is its owner's.
	if f := started(t, exec.Command(copied(t, 0o777|os.ModeSticky))).File; f.Writer != ourselves() {
		t.Errorf("sticky: %+v", f)
	}
}

func TestAFileOfAnotherUser(t *testing.T) {
	file := copied(t, 0o755)
	if err := os.Chown(file, 54321, 0); err != nil {
		withoutRoot(t)
	}
	if f := started(t, exec.Command(file)).File; f.Writer != "54321" || f.Writable != file {
		t.Errorf("%+v", f)
	}
	// Of a group's rights only those matter that the program's user has.
	grouped := copied(t, 0o775)
	if err := os.Chown(filepath.Dir(grouped), 0, 54322); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(grouped)), 0o755); err != nil {
		t.Fatal(err)
	}
	for group, want := range map[uint32]string{54322: "54321", 54323: ""} {
		c := exec.Command(grouped)
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321, Groups: []uint32{group}}}
		if f := started(t, c); f.File.Writer != want || f.UID != 54321 {
			t.Errorf("in group %d: %+v", group, f)
		}
	}
}

func TestAFileThatWasDeletedOrReplaced(t *testing.T) {
	deleted := exec.Command(copied(t, 0o755))
	if f := started(t, deleted).File; f.Deleted {
		t.Errorf("%+v", f)
	}
	if err := os.Remove(deleted.Path); err != nil {
		t.Fatal(err)
	}
	replaced := exec.Command(copied(t, 0o755))
	started(t, replaced)
	if err := os.Rename(copied(t, 0o755), replaced.Path); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*exec.Cmd{deleted, replaced} {
		f, err := Of(c.Process.Pid)
		if err != nil || !f.File.Deleted || f.File.MemoryOnly || f.File.Writer != "" {
			t.Errorf("%+v, %v", f.File, err)
		}
	}
	// A file may be called so and be there.
	named := copied(t, 0o755)
	if err := os.Rename(named, named+gone); err != nil {
		t.Fatal(err)
	}
	if f := started(t, exec.Command(named+gone)).File; f.Deleted {
		t.Errorf("%+v", f)
	}
}

func TestAProgramInMemoryOnly(t *testing.T) {
	fd, err := unix.MemfdCreate("x", 0)
	if err != nil {
		t.Fatal(err)
	}
	memory := os.NewFile(uintptr(fd), "x")
	defer memory.Close()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := memory.Write(self); err != nil {
		t.Fatal(err)
	}
	// Where other tests start processes, these may hold the file open for writing for a moment.
	read, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	memory.Close()
	if f := started(t, exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), read.Fd()))).File; !f.MemoryOnly || f.Deleted {
		t.Errorf("%+v", f)
	}
}
