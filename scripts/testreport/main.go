// testreport reads `go test -json` and prints what a person wants to know: each
// package's closing line, all output of what failed, and at the end every test
// that was left out, with its reason.
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
	failed, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

// report prints the run and tells whether anything failed.
func report(in io.Reader, out io.Writer) (failed bool, err error) {
	output := map[test][]string{}
	var left []string
	var passes, fails int
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
				fails++
			}
			fmt.Fprint(out, strings.Join(output[t], ""))
			delete(output, t)
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		fmt.Fprintf(out, "\nLeft out here, and why:\n  %s\n\n", strings.Join(left, "\n  "))
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passes, fails, len(left))
	return failed, lines.Err()
}

// isClosing tells whether the line is go test's last word on a package.
func isClosing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t")
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
