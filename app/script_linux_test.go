package app

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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

// fields checks that each line of a file is a JSON object that has the fields
// named, of the kinds named: "fields FILE NAME:KIND…". A kind that is not known
// is a list of words such as allow|block.
func fields(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: fields FILE NAME:KIND…")
	}
	lines := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&object); err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		lines++
		for _, arg := range args[1:] {
			name, kind, _ := strings.Cut(arg, ":")
			value, there := object[name]
			if !there || !is(value, kind) {
				ts.Fatalf("%s is %v, want %s, in %s", name, value, kind, line)
			}
		}
	}
	if lines == 0 {
		ts.Fatalf("%s has no lines", args[0])
	}
}

func is(value any, kind string) bool {
	s, text := value.(string)
	switch kind {
	case "text":
		return text
	case "id":
		return text && s != ""
	case "bool":
		_, ok := value.(bool)
		return ok
	case "number":
		n, ok := value.(json.Number)
		_, err := strconv.ParseInt(n.String(), 10, 64)
		return ok && err == nil
	case "time":
		_, err := time.Parse(time.RFC3339, s)
		return text && err == nil && strings.HasSuffix(s, "Z")
	case "time?":
		return value == nil || is(value, "time")
	case "address":
		a, err := netip.ParseAddr(s)
		return text && err == nil && !a.Is4In6()
	case "addressport":
		_, err := netip.ParseAddrPort(s)
		return text && (s == "" || err == nil)
	}
	return text && slices.Contains(strings.Split(kind, "|"), s)
}

// until runs a command again and again until its output matches a pattern.
func until(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		cmd := exec.Command(args[1], args[2:]...)
		path, err := exec.LookPath(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[1]))
		if err == nil {
			cmd.Path, cmd.Err = path, nil
		}
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "SALLYPORT_SOCKET="+ts.Getenv("SALLYPORT_SOCKET"))
		out, _ := cmd.CombinedOutput()
		if matched(args[0], string(out)) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v never printed %q, but %s", args[1:], args[0], strconv.Quote(string(out)))
		}
		pause()
	}
}
