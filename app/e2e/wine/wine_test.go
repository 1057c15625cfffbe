//go:build linux

package wine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take that has no promise of its own.
const patience = 30 * time.Second

// build is the folder of what the tests make, and of their pictures.
func build(t testing.TB) string {
	t.Helper()
	folder, err := filepath.Abs("../../../build/windows")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// missing leaves a test out, and says why; where nothing may be left out, it
// fails instead.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// server is the program that all of a prefix's programs belong to.
func server() string {
	if path, err := exec.LookPath("wineserver"); err == nil {
		return path
	}
	return "/usr/lib/wine/wineserver"
}

// compiled are the two programs, built once, with the socket for tests.
var compiled = struct {
	sync.Once
	folder string
	err    error
}{}

func programs(t testing.TB) string {
	t.Helper()
	compiled.Do(func() {
		compiled.folder = filepath.Join(build(t), "e2e")
		compiled.err = compile(compiled.folder)
	})
	if compiled.err != nil {
		t.Fatal(compiled.err)
	}
	return compiled.folder
}

func compile(folder string) error {
	for _, program := range []struct {
		file, cgo string
		flags     []string
	}{
		{"sallyport.exe", "0", nil},
		{"sallyportw.exe", "1", []string{"-tags", "e2e", "-ldflags", "-H windowsgui"}},
	} {
		args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(folder, program.file)}, program.flags...)
		cmd := exec.Command("go", append(args, "sallyport.dev/sallyport")...)
		cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED="+program.cgo, "CC=x86_64-w64-mingw32-gcc")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", program.file, err, out)
		}
	}
	return nil
}

// wine is a prefix, which stands for a computer with Windows.
type wine struct {
	t       testing.TB
	prefix  string
	display string
}

// newWine makes the prefix, once, and ends all that runs in it after the test.
func newWine(t testing.TB, display string) *wine {
	t.Helper()
	w := &wine{t, filepath.Join(build(t), "prefix"), display}
	shim := filepath.Join(build(t), "shim")
	if out, err := exec.Command("../../../firewall/windivert/testdata/build", shim).CombinedOutput(); err != nil {
		t.Fatalf("build what Go needs in Wine: %v\n%s", err, out)
	}
	w.endAll() // what a killed test has left
	t.Cleanup(w.endAll)
	if made := filepath.Join(w.prefix, "made"); !exists(made) {
		os.RemoveAll(w.prefix)
		w.run("wineboot", "-i")
		w.run("wine", "reg", "add", `HKCU\Software\Wine`, "/v", "Version", "/d", "win10", "/f")
		w.command(server(), "-w").Run()
		if err := os.WriteFile(made, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	library, err := os.ReadFile(filepath.Join(shim, "bcryptprimitives.dll"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.prefix, "drive_c/windows/system32/bcryptprimitives.dll"), library, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (w *wine) endAll() {
	w.command(server(), "-k").Run()
	w.command(server(), "-w").Run()
}

// command is a command with the prefix as its computer.
func (w *wine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEARCH=win64", "WINEDEBUG=-all", "DISPLAY="+w.display,
		// Neither Mono nor Gecko is needed, and asking for them would open a window.
		"WINEDLLOVERRIDES=mscoree,mshtml=;bcryptprimitives=n,b", "LIBGL_ALWAYS_SOFTWARE=1")
	return cmd
}

// run runs a command to its end and returns what it prints.
func (w *wine) run(name string, args ...string) string {
	w.t.Helper()
	said, err := w.finish(w.command(name, args...))
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said)
	}
	return said
}

// finish runs a command to its end and returns what it prints: to a file, for
// what Wine starts besides would keep a pipe open.
func (w *wine) finish(cmd *exec.Cmd) (said string, err error) {
	w.t.Helper()
	out, err := os.Create(filepath.Join(w.t.TempDir(), "out"))
	if err != nil {
		return "", err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	err = cmd.Wait()
	b, unread := os.ReadFile(out.Name())
	return string(b), errors.Join(err, unread)
}

// poll waits for something that nobody announces.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-late.C:
			t.Fatalf("%s: did not happen within %v", what, patience)
		}
	}
}
