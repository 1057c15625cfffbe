package process

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shirou/gopsutil/v3/process"
)

// started starts the command, whose last process is this test's child, and
// returns the facts of that.
func started(t *testing.T, c *exec.Cmd) Facts {
	t.Helper()
	c.Env = append(append(os.Environ(), "PROCESS_TEST_CHILD=1", "GORACE=atexit_sleep_ms=0"), c.Env...)
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

// What started a process is read on the way of a packet, where rules depend on it.
func BenchmarkStarterOf(b *testing.B) {
	f, err := Of(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if StarterOf(f.PID, f.Started) == "" {
			b.Fatal("nothing")
		}
	}
}
