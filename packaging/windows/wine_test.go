package windows_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long something in Wine may take; a slow machine needs some.
const patience = 3 * time.Minute

// computer is a Windows of its own, in Wine.
type computer struct {
	prefix  string
	pair    string // folder with the stand-ins for WinDivert
	display string // the X server; "" without a screen
}

// start makes a computer without a screen, which ends with the test.
func start(t *testing.T) computer { return startOn(t, "") }

// startOn makes a computer whose screen is an X server's.
func startOn(t *testing.T, display string) computer {
	t.Helper()
	need(t, "wine", "x86_64-w64-mingw32-gcc")
	standin := root + "/firewall/windivert/testdata/build"
	if _, err := os.Stat(standin); err != nil {
		missing(t, "there is no stand-in for WinDivert: "+err.Error())
	}
	c := computer{prefix: t.TempDir(), pair: t.TempDir(), display: display}
	if out, err := exec.CommandContext(t.Context(), standin, c.pair).CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in for WinDivert: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		server := "wineserver"
		if _, err := exec.LookPath(server); err != nil {
			server = "/usr/lib/wine/wineserver"
		}
		for _, flag := range []string{"-k", "-w"} {
			end := exec.Command(server, flag) // of this prefix only
			end.Env = c.environment()
			_ = end.Run()
		}
	})
	c.must(t, "wineboot", "-i")
	c.must(t, "winecfg", "-v", "win10")
	// What runs in it has no way to the files of this system.
	if err := os.Remove(filepath.Join(c.prefix, "dosdevices", "z:")); err != nil {
		t.Fatal(err)
	}
	// Go's programs need it to start in Wine 8.
	write(t, c.path(`C:\windows\system32\bcryptprimitives.dll`), read(t, filepath.Join(c.pair, "bcryptprimitives.dll")))
	return c
}

func (c computer) environment() []string {
	return append(os.Environ(), "WINEPREFIX="+c.prefix, "WINEARCH=win64", "WINEDEBUG=-all",
		"WINEDLLOVERRIDES=mscoree,mshtml=;winemenubuilder.exe=;bcryptprimitives=n,b", "DISPLAY="+c.display, "WAYLAND_DISPLAY=")
}

// run runs a Windows program; status is -1 if it did not run to its end.
func (c computer) run(t *testing.T, program string, args ...string) (said string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w := exec.CommandContext(ctx, "wine", append([]string{program}, args...)...)
	w.Env, w.Dir = c.environment(), c.prefix
	if c.has(`C:\windows`) {
		w.Dir = c.path(`C:\windows`)
	}
	// A service that outlives the program holds its output open: a file does not wait for it.
	out, err := os.CreateTemp(t.TempDir(), "said")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w.Stdout, w.Stderr = out, out
	err = w.Run()
	content := read(t, out.Name())
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(content), exit.ExitCode()
	} else if err != nil {
		return string(content) + err.Error(), -1
	}
	return string(content), 0
}

// must runs a Windows program that has to succeed.
func (c computer) must(t *testing.T, program string, args ...string) string {
	t.Helper()
	said, status := c.run(t, program, args...)
	if status != 0 {
		t.Fatalf("%s %s: status %d\n%s", program, strings.Join(args, " "), status, said)
	}
	return said
}

// path is where a Windows path of drive C is in truth.
func (c computer) path(windows string) string {
	return filepath.Join(c.prefix, "drive_c", filepath.FromSlash(strings.ReplaceAll(strings.TrimPrefix(windows, `C:`), `\`, "/")))
}

// bring copies a file to drive C and returns its path there.
func (c computer) bring(t *testing.T, file string) string {
	t.Helper()
	path := `C:\` + filepath.Base(file)
	write(t, c.path(path), read(t, file))
	return path
}

func (c computer) has(windows string) bool {
	_, err := os.Stat(c.path(windows))
	return err == nil
}

// value reads a value of the registry; "" if there is none.
func (c computer) value(t *testing.T, key, name string) string {
	t.Helper()
	said, status := c.run(t, "reg", "query", key, "/v", name)
	m := regexp.MustCompile(`REG_[A-Z_]+\s+(.*?)\s*\n`).FindStringSubmatch(said)
	if status != 0 || m == nil {
		return ""
	}
	return m[1]
}

// eventually waits until something is so, which only the system can tell.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not after %v: %s", patience, what)
		}
	}
}
