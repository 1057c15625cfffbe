package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if address := os.Getenv("SALLYPORT_TEST_SERVER"); address != "" {
		os.Exit(serverMain(address))
	}
	if role := os.Getenv("SALLYPORT_TEST_PEER"); role != "" {
		os.Exit(peerMain(role))
	}
	testscript.Main(m, map[string]func(){
		"sallyport": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestCommands runs each script against the program itself; an engine in them
// has the backend in memory.
func TestCommands(t *testing.T) {
	root, err := os.MkdirTemp("", "sallyport-script-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	// Other users run the program from here, too.
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(bin, "sallyport")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/script", WorkdirRoot: root, RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("PATH", bin+":"+os.Getenv("PATH"))
				env.Setenv("SALLYPORT_SOCKET", filepath.Join(env.WorkDir, "s.sock"))
				env.Setenv("NO_COLOR", "1")
				env.Defer(func() { endEngine(filepath.Join(env.WorkDir, "pid")) })
				return os.Chmod(env.WorkDir, 0o755)
			},
			Condition: func(cond string) (bool, error) {
				if cond == "root" {
					return privileged(t), nil
				}
				return false, nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "fields": fields},
		})
	})
}

// endEngine ends the engine that a script has started, also one that failed.
func endEngine(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return // it started none
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	if p, err := os.FindProcess(pid); err == nil {
		defer p.Release()
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasPrefix(string(args), "sallyport\x00engine\x00") {
			p.Kill()
		}
	}
}

// privileged tells whether other users can be played; where that is required
// it must be so.
func privileged(t *testing.T) bool {
	if os.Geteuid() == 0 {
		return true
	}
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal("playing other users needs root")
	}
	return false
}
