// testreport reads `go test -json` and prints what a person wants to know: each
// package's closing line and all output of what failed. `testreport total`
// prints instead what a whole run comes to: every test that was left out, with
// its reason, every test that failed, and how many there were.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type test struct{ pkg, name string }

func main() {
	story, total := io.Writer(os.Stdout), io.Discard
	if len(os.Args) > 1 {
		story, total = io.Discard, os.Stdout
	}
	failed, err := report(os.Stdin, story, total)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

// report tells the story of the run, what it comes to, and whether anything
// failed.
func report(in io.Reader, out, total io.Writer) (failed bool, err error) {
	output := map[test][]string{}
	var left, broken []string
	passes := 0
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		t := test{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "build-fail":
			failed = true
		case "output":
			if e.Test == "" && isClosing(e.Output) {
				fmt.Fprint(out, e.Output)
				break
			}
			output[t] = append(output[t], e.Output)
		case "pass":
			if e.Test != "" {
				passes++
			}
			delete(output, t)
		case "skip":
			if e.Test != "" {
				left = append(left, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(output[t])))
			}
			delete(output, t)
		case "fail":
			failed = true
			if e.Test != "" {
				broken = append(broken, e.Package+" "+e.Test)
			}
			fmt.Fprint(out, strings.Join(output[t], ""))
			delete(output, t)
		}
	}
	list(total, "Left out here, and why:", left)
	list(total, "Failed:", broken)
	fmt.Fprintf(total, "%d passed, %d failed, %d skipped\n", passes, len(broken), len(left))
	return failed, lines.Err()
}

func list(out io.Writer, title string, tests []string) {
	if len(tests) > 0 {
		slices.Sort(tests)
		fmt.Fprintf(out, "\n%s\n  %s\n\n", title, strings.Join(tests, "\n  "))
	}
}

// isClosing tells whether the line is go test's last word on a package.
func isClosing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || (strings.HasPrefix(line, "?   \t") && !strings.Contains(line, "[no test files]"))
}

// reason finds a skipped test's own sentence: the line "file_test.go:12: sentence".
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if _, sentence, ok := strings.Cut(line, "_test.go:"); ok {
			if _, sentence, ok = strings.Cut(sentence, ": "); ok {
				return strings.TrimSpace(sentence)
			}
		}
	}
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			return line
		}
	}
	return "no reason given"
}
