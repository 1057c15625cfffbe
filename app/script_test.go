package app

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func matched(pattern, s string) bool { return regexp.MustCompile("(?m)" + pattern).MatchString(s) }

// pause waits a little between two looks at another process.
func pause() {
	t := time.NewTimer(10 * time.Millisecond)
	<-t.C
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
	case "list":
		l, ok := value.([]any)
		return ok && len(l) > 0
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
