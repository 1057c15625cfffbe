//go:build !divert_cgo

package windivert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFailedFirstOpenIsFinalAndDoesNotPanic(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "alone.exe")
	if err := os.WriteFile(alone, program, 0o700); err != nil {
		t.Fatal(err)
	}
	said, err := inRole(alone, "open twice").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, said)
	}
	for line := range strings.Lines(string(said)) {
		if !strings.Contains(line, `\WinDivert.dll is missing: install the program again`) {
			t.Errorf("it said: %s", line)
		}
	}
	if strings.Count(string(said), "\n") != 2 {
		t.Errorf("it said: %s", said)
	}
}
