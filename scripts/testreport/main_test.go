package main

import (
	"io"
	"strings"
	"testing"
)

const run = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestRoot"}
{"Action":"output","Package":"p","Test":"TestRoot","Output":"    p_test.go:7: it needs root\n"}
{"Action":"output","Package":"p","Test":"TestRoot","Output":"--- SKIP: TestRoot (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestRoot"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"    p_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`

func TestWhatAPersonReads(t *testing.T) {
	var story, total strings.Builder
	failed, err := report(strings.NewReader(run), &story, &total)
	if !failed || err != nil {
		t.Errorf("a run with a failed test: failed %v, %v", failed, err)
	}
	if want := "    p_test.go:9: got 1, want 2\nFAIL\tp\t0.1s\n"; story.String() != want {
		t.Errorf("the story is %q, want %q", story.String(), want)
	}
	if want := "\nLeft out here, and why:\n  p TestRoot: it needs root\n\n\nFailed:\n  p TestBad\n\n1 passed, 1 failed, 1 skipped\n"; total.String() != want {
		t.Errorf("the total is %q, want %q", total.String(), want)
	}
}

// What does not even compile has failed, and so has a package that fails
// outside of its tests.
func TestFailuresOutsideOfTests(t *testing.T) {
	for _, line := range []string{`{"Action":"build-fail","ImportPath":"p"}`, `{"Action":"fail","Package":"p"}`} {
		if failed, err := report(strings.NewReader(line), io.Discard, io.Discard); !failed || err != nil {
			t.Errorf("%s: failed %v, %v", line, failed, err)
		}
	}
}
