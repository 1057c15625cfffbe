package ui_test

import (
	"os"
	"testing"
)

// missing leaves a test out, and says why; where nothing may be left out, it
// fails instead.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SALLYPORT_REQUIRE_PRIVILEGED") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
