package app

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport.dev/sallyport/app/link"
)

const (
	markGID   = 54329 // a group that nobody is in
	nobodyUID = 65534
)

// copyProgram copies this program, as a file of its own.
func copyProgram(t *testing.T, dir string, uid, gid int, mode os.FileMode) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sallyport")
	err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, self, 0o755), os.Chown(path, uid, gid), os.Chmod(path, mode))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// preload builds a library that leaves a mark when it is loaded.
func preload(t *testing.T, dir string) (library, mark string) {
	t.Helper()
	library, mark = filepath.Join(dir, "evil.so"), filepath.Join(dir, "open", "loaded")
	if err := errors.Join(os.Mkdir(filepath.Dir(mark), 0o755), os.Chmod(filepath.Dir(mark), 0o777)); err != nil {
		t.Fatal(err)
	}
	source := fmt.Sprintf(`#include <fcntl.h>
__attribute__((constructor)) static void loaded(void) { open(%q, O_CREAT | O_WRONLY, 0644); }`, mark)
	cmd := exec.Command("gcc", "-shared", "-fPIC", "-x", "c", "-o", library, "-")
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build a library: %v: %s", err, out)
	}
	return library, mark
}

// startEngine runs a program as an engine without enforcement that lets nobody in.
func startEngine(t *testing.T, program, dir string) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "s.sock")
	engine := exec.Command(program, "engine", "--demo", "--user", "nobody", "--data", filepath.Join(dir, "data"), "--socket", socket)
	engine.Stderr = os.Stderr
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		engine.Process.Signal(syscall.SIGTERM)
		engine.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; pause() {
		if _, err := link.NewClient(socket).Status(t.Context()); err == nil {
			return socket
		} else if time.Now().After(deadline) {
			t.Fatalf("the engine does not answer: %v", err)
		}
	}
}

// shared makes a folder that others may enter, where setgid counts.
func shared(t *testing.T) string {
	t.Helper()
	parent := ""
	var fs unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &fs); err == nil && fs.Flags&unix.ST_NOSUID != 0 {
		parent = "/var/tmp"
	}
	dir, err := os.MkdirTemp(parent, "sallyport-desktop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asNobody runs a command as the user nobody and returns what it says of rules.
func asNobody(t *testing.T, socket string, env []string, command ...string) (rule, all string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(append(os.Environ(), "SALLYPORT_SOCKET="+socket), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID, Groups: []uint32{nobodyUID}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "rule "); ok {
			rule = strings.TrimSpace(rest)
		}
	}
	return rule, string(out)
}

// TestALibraryInTheEnvironmentCannotAnswer plays programs of the person who
// is let in, each of which tries to be the desktop program.
func TestALibraryInTheEnvironmentCannotAnswer(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
			t.Fatal(err)
		}
		t.Skip("building a library needs gcc")
	}
	const window = "SALLYPORT_TEST_PEER=here desktop"
	dir := shared(t)
	library, mark := preload(t, dir)
	installed := copyProgram(t, filepath.Join(dir, "installed"), 0, markGID, 0o755|os.ModeSetgid)
	plain := copyProgram(t, filepath.Join(dir, "plain"), 0, 0, 0o755)
	own := copyProgram(t, filepath.Join(dir, "own"), nobodyUID, nobodyUID, 0o755|os.ModeSetgid)
	socket := startEngine(t, installed, filepath.Join(dir, "installed"))
	loaded := func() bool {
		_, err := os.Stat(mark)
		os.Remove(mark)
		return err == nil
	}
	for _, test := range []struct {
		name, want string
		loads      bool
		env        []string
		command    []string
	}{
		{"the desktop program", "done", false, []string{window}, []string{installed}},
		{"with a library", "done", false, []string{window, "LD_PRELOAD=" + library}, []string{installed}},
		{"with a library path", "done", false, []string{window, "LD_LIBRARY_PATH=" + dir, "LIBGL_DRIVERS_PATH=" + dir}, []string{installed}},
		{"a copy with a library", "is not the program that the engine runs", true, []string{window, "LD_PRELOAD=" + library}, []string{plain}},
		{"a setgid copy of one's own", "is not the program that the engine runs", false, []string{window}, []string{own}},
		{"without new privileges", "so that another program can control it", true, []string{window, "LD_PRELOAD=" + library}, []string{"setpriv", "--no-new-privs", installed}},
		{"traced", "so that another program can control it", false, []string{"SALLYPORT_TEST_PEER=here traced"}, []string{installed}},
		{"a terminal", "this needs root", false, []string{"SALLYPORT_TEST_PEER=here terminal"}, []string{installed}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rule, all := asNobody(t, socket, test.env, test.command...)
			if !strings.Contains(rule, test.want) {
				t.Errorf("a rule is %q, want %q\n%s", rule, test.want, all)
			}
			if test.name == "with a library path" && !strings.Contains(all, "environment  true 65534\n") {
				t.Errorf("drivers come from others, or its group is not the person's:\n%s", all)
			}
			if !strings.Contains(all, "status done") || !strings.Contains(all, "off refused") {
				t.Errorf("it may not read, or may switch off:\n%s", all)
			}
			if loaded() != test.loads {
				t.Errorf("the library was loaded: %t, want %t", !test.loads, test.loads)
			}
		})
	}
}

// TestAProgramThatTakesTheNameOfTheDesktopProgramCannotAnswer has one that
// makes /proc say that it runs the desktop program's file.
func TestAProgramThatTakesTheNameOfTheDesktopProgramCannotAnswer(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	dir := shared(t)
	spoof := filepath.Join(dir, "spoof")
	if out, err := exec.Command("gcc", "-O1", "-fno-stack-protector", "-o", spoof, "../firewall/firewalltest/testdata/spoof.c").CombinedOutput(); err != nil {
		if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") != "1" {
			t.Skipf("building it needs gcc: %v", err)
		}
		t.Fatalf("%v: %s", err, out)
	}
	installed := copyProgram(t, filepath.Join(dir, "installed"), 0, markGID, 0o755|os.ModeSetgid)
	socket := startEngine(t, installed, filepath.Join(dir, "installed"))
	cmd := exec.Command(spoof, socket, installed)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID}}
	out, err := cmd.CombinedOutput()
	switch said := string(out); {
	case err != nil:
		t.Logf("this kernel does not let it: %v: %s", err, said)
	case !strings.Contains(said, "403 Forbidden") || !strings.Contains(said, "so that another program can control it"):
		t.Errorf("the engine replied %s", said)
	}
	rules, err := link.NewClient(socket).Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Program == "/usr/bin/evil" {
			t.Errorf("it added %+v", r)
		}
	}
}

// TestAProgramThatIsNotInstalledOnlyShows has an engine from a build tree.
func TestAProgramThatIsNotInstalledOnlyShows(t *testing.T) {
	if !privileged(t) {
		t.Skip("playing other users needs root")
	}
	for _, test := range []struct {
		name, want string
		uid, gid   int
		mode       os.FileMode
	}{
		{"not setgid", "not setgid", 0, 0, 0o755},
		{"the person's own file", "others than root can change", nobodyUID, markGID, 0o755 | os.ModeSetgid},
		{"writable", "others than root can change", 0, markGID, 0o775 | os.ModeSetgid},
		{"the person's own group", "which only the program itself may have", 0, nobodyUID, 0o755 | os.ModeSetgid},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := shared(t)
			program := copyProgram(t, dir, test.uid, test.gid, test.mode)
			rule, all := asNobody(t, startEngine(t, program, dir), []string{"SALLYPORT_TEST_PEER=here desktop"}, program)
			if !strings.Contains(rule, "these windows can only show") || !strings.Contains(rule, test.want) {
				t.Errorf("a rule is %q, want %q\n%s", rule, test.want, all)
			}
		})
	}
}

// traceMain starts the desktop program as its tracer.
func traceMain() int {
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SALLYPORT_TEST_PEER=here desktop")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	// It stopped as soon as it was started; a tracer could now change it.
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, 0, nil); err != nil || !status.Stopped() {
		fmt.Println("not stopped", status, err)
		return 1
	}
	if err := unix.PtraceDetach(cmd.Process.Pid); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := cmd.Wait(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}
