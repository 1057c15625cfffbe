package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/unix"
)

// started starts the command, whose last process is this test's child, and
// returns the facts of that.
func started(t *testing.T, c *exec.Cmd) Facts {
	t.Helper()
	c.Env = append(append(os.Environ(), "PROCESS_TEST_CHILD=1"), c.Env...)
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
	t.Cleanup(func() { in.Close(); c.Wait() })
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	pid := int32(c.Process.Pid)
	for {
		p, err := process.NewProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		children, err := p.Children()
		if err != nil || len(children) == 0 {
			break
		}
		pid = children[0].Pid
	}
	f, err := Of(int(pid))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

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

func TestWhatTheLinkerIsToldToLoad(t *testing.T) {
	c := exec.Command(copied(t, 0o755))
	c.Env = []string{"FIRST=" + strings.Repeat("x", 20_000), "LD_PRELOAD=/usr/lib/none.so", "XLD_PRELOAD=/a", "LD_LIBRARY_PATH=/opt/lib", "LD_AUDIT="}
	c.Stderr = io.Discard // the linker complains
	want := []string{"LD_PRELOAD=/usr/lib/none.so", "LD_LIBRARY_PATH=/opt/lib"}
	if f := started(t, c); !reflect.DeepEqual(f.Loader, want) {
		t.Errorf("%q, want %q", f.Loader, want)
	}
	long := "LD_PRELOAD=" + strings.Repeat("y", 1<<20)
	for environment, want := range map[string]int{"": 0, "LD_PRELOAD": 0, "LD_AUDIT=x": 1, long: 1, strings.Repeat(long+"\x00", 9): maxVariables} {
		if got := loaderVariables(strings.NewReader(environment)); len(got) != want || want > 0 && len(got[0]) > maxVariable+20 {
			t.Errorf("%.20q: %d", environment, len(got))
		}
	}
}

func TestAScriptUsesAProgram(t *testing.T) {
	program := copied(t, 0o755)
	backup := filepath.Join(t.TempDir(), "backup.sh")
	// The shell stays, since it has something to do afterwards.
	if err := os.WriteFile(backup, []byte("#!/bin/sh\n\"$1\"\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	wrapped := filepath.Join(t.TempDir(), "wrapped.sh")
	if err := os.WriteFile(wrapped, []byte("sh -c '\"$0\"; exit 0' \"$1\"\nexit 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*exec.Cmd{
		"backup.sh":  exec.Command(backup, program),
		"wrapped.sh": exec.Command("sh", wrapped, program),
		"":           exec.Command("sh", "-c", `"$0"; exit 0`, program),
	} {
		f := started(t, c)
		starter, self := map[string]string{"backup.sh": backup, "wrapped.sh": wrapped}[want], ""
		if self, _ = os.Executable(); starter == "" {
			starter = self
		}
		if got := StarterOf(f.PID, f.Started); got != starter {
			t.Errorf("%s: started by %q, want %q", want, got, starter)
		}
		a, ok := f.Behind()
		if f.Path != program || ok != (want != "") || ok && a.Title() != want {
			t.Errorf("%s: behind %s is %+v, %v; chain %+v", want, f.Path, a, ok, f.Chain)
		}
		if !slices.ContainsFunc(f.Chain, func(a Ancestor) bool { return a.PID == os.Getpid() }) {
			t.Errorf("%s: this test is not in %+v", want, f.Chain)
		}
	}
}

func TestAnotherMountNamespace(t *testing.T) {
	if os.Getuid() != 0 {
		withoutRoot(t)
	}
	c := exec.Command(copied(t, 0o755))
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if f := started(t, c); !reflect.DeepEqual(f.Namespaces, []string{"mount"}) || f.Container != "" {
		t.Errorf("%q, %q", f.Namespaces, f.Container)
	}
	// A script of that name there need not be the one here.
	program, script := copied(t, 0o755), filepath.Join(t.TempDir(), "there.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n\"$1\"\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	there := exec.Command(script, program)
	there.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if f := started(t, there); StarterOf(f.PID, f.Started) != "" {
		t.Errorf("started by %q in another mount namespace", StarterOf(f.PID, f.Started))
	}
}

func TestTerminals(t *testing.T) {
	for number, want := range map[string]string{"0": "", "34816": "pts/0", "34819": "pts/3", "1083392": "pts/256", "1025": "tty1", "1088": "ttyS0", "x": ""} {
		if got := terminal("7 (a) b) S 1 7 7 " + number + " -1"); got != want {
			t.Errorf("%s is %q, want %q", number, got, want)
		}
	}
	for _, stat := range []string{"", ")", "7 (a) S"} {
		if got := terminal(stat); got != "" {
			t.Errorf("%q is on %q", stat, got)
		}
	}
}

func TestFlatpaks(t *testing.T) {
	for info, want := range map[string]string{
		"[Application]\nname=org.example.App\nruntime=x\n": "flatpak org.example.App",
		"[Instance]\nname=other\n":                         "",
		"":                                                 "",
	} {
		if got := flatpakOf(info); got != want {
			t.Errorf("%q is %q", info, got)
		}
	}
}

// All facts are read within the moment for which a question waits for them.
func BenchmarkFacts(b *testing.B) {
	for b.Loop() {
		if _, err := Of(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}
