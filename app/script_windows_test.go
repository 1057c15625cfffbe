package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{"engine", "--service"}) {
		os.Exit(Main([]string{"engine", "--service", "--demo"}))
	}
	if os.Getenv("SALLYPORT_TEST_SLEEPER") != "" {
		<-time.After(time.Minute)
		return
	}
	if os.Getenv("SALLYPORT_TEST_PROGRAM") != "" {
		os.Exit(Main(os.Args[1:]))
	}
	testscript.Main(m, map[string]func(){
		"sallyport": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestCommands runs each script against the program itself; an engine in them
// has the backend in memory.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script_windows", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SALLYPORT_SOCKET", testAddress(env.WorkDir))
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "fields": fields, "status": status},
	})
}

// status runs the program and checks its exit status: "status N ARGUMENTS…".
func status(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: status N ARGUMENTS…")
	}
	err := ts.Exec("sallyport", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("sallyport %s ended with %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// copyProgram copies this program into a folder that only administrators can
// change.
func copyProgram(t *testing.T) (path string) {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("ProgramFiles"), "sallyport-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "sallyport.exe")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
