//go:build linux

package wine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall/windivert/windiverttest"
)

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
	network *windiverttest.Network // nil: the machine's own
	server  *process               // all of the prefix's programs belong to it, and end with it
}

// newWine makes the prefix, once, and ends all that runs in it after the test.
func newWine(t testing.TB, display string, network *windiverttest.Network) *wine {
	t.Helper()
	w := &wine{t: t, prefix: filepath.Join(build(t), "prefix"), display: display, network: network}
	w.command(server(), "-k").Run() // what a test has left that was killed together with Wine's server
	w.command(server(), "-w").Run()
	if made := filepath.Join(w.prefix, "made"); !exists(made) {
		os.RemoveAll(w.prefix)
		if err := os.MkdirAll(w.prefix, 0o755); err != nil {
			t.Fatal(err)
		}
		w.startServer()
		w.run("wineboot", "-i")
		w.run("wine", "reg", "add", `HKCU\Software\Wine`, "/v", "Version", "/d", "win10", "/f")
		w.server.end() // it keeps the registry
		if err := os.WriteFile(made, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, filepath.Join(standIns(t), "bcryptprimitives.dll"), w.file(`C:\windows\system32`))
	w.startServer()
	return w
}

// server is the program of Wine's server.
func server() string {
	if path, err := exec.LookPath("wineserver"); err == nil {
		return path
	}
	return "/usr/lib/wine/wineserver"
}

// startServer starts Wine's server, which programs would start themselves
// otherwise: then it would end when it thinks that it has none, and outlive a
// test that is killed. When it is interrupted, it ends all of them first.
func (w *wine) startServer() {
	w.t.Helper()
	// Whoever is first makes the folder where servers and programs of the prefix
	// meet: two at once would make two, and never meet.
	w.command(server(), "-k0").Run()
	w.server = begin(w.t, w.command(server(), "--foreground", "--persistent"), syscall.SIGINT)
	poll(w.t, "Wine's server is running", func() bool {
		w.server.mustRun("Wine's server")
		return w.command(server(), "-k0").Run() == nil // no signal: it tells whether there is one
	})
}

// copyFile copies a file to a folder.
func copyFile(t testing.TB, file, folder string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, filepath.Base(file)), b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// command is a command with the prefix as its computer.
func (w *wine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEARCH=win64", "WINEDEBUG=-all", "DISPLAY="+w.display,
		// Neither Mono nor Gecko is needed, and asking for them would open a window.
		"WINEDLLOVERRIDES=mscoree,mshtml=;bcryptprimitives=n,b", "LIBGL_ALWAYS_SOFTWARE=1")
	if w.network != nil {
		return w.network.Within(cmd)
	}
	return cmd
}

// dial connects to a program in Wine.
func (w *wine) dial(address string) (net.Conn, error) {
	if w.network != nil {
		return w.network.Dial("tcp", address)
	}
	return net.Dial("tcp", address)
}

// file is where a file of drive C is outside.
func (w *wine) file(path string) string {
	return filepath.Join(w.prefix, "drive_c", filepath.FromSlash(strings.ReplaceAll(strings.TrimPrefix(path, `C:`), `\`, "/")))
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

// standIns is the folder of what stands in for parts of Windows: what Go needs
// in Wine, and WinDivert's driver.
func standIns(t testing.TB) string {
	t.Helper()
	folder := filepath.Join(build(t), "shim")
	if out, err := exec.Command("../../../firewall/windivert/testdata/build", folder).CombinedOutput(); err != nil {
		t.Fatalf("build what stands in for parts of Windows: %v\n%s", err, out)
	}
	return folder
}

// finish runs a command to its end and returns what it prints: to files, for
// what Wine starts besides would keep a pipe open. What is said of errors, in
// which Wine puts in its word, is part of the error.
func (w *wine) finish(cmd *exec.Cmd) (said string, err error) {
	w.t.Helper()
	folder := w.t.TempDir()
	for name, to := range map[string]*io.Writer{"out": &cmd.Stdout, "err": &cmd.Stderr} {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return "", err
		}
		defer f.Close()
		*to = f
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	failed := cmd.Wait()
	out, err := os.ReadFile(filepath.Join(folder, "out"))
	if failed != nil {
		why, unread := os.ReadFile(filepath.Join(folder, "err"))
		failed = errors.Join(fmt.Errorf("%w: %s", failed, why), unread)
	}
	return string(out), errors.Join(failed, err)
}
