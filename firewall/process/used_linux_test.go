package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A script starts a program that ends at once; it tells later than the program.
func TestWhoUsedAProgramIsToldByItsParentWhileThatLives(t *testing.T) {
	folder := t.TempDir()
	script := filepath.Join(folder, "backup.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n/bin/sleep 0 & echo $$ $!\nwait\necho ended\nread end\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(script)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	lines := bufio.NewReader(out)
	var parent, child int
	if _, err := fmt.Fscan(lines, &parent, &child); err != nil {
		t.Fatal(err)
	}
	var word string
	if _, err := fmt.Fscan(lines, &word); err != nil || word != "ended" {
		t.Fatalf("the script says %q: %v", word, err)
	}
	for name, test := range map[string]struct {
		started time.Time
		parent  int
		want    string
	}{
		"its parent lives":                  {began, parent, "used by: backup.sh"},
		"its parent is not known":           {began, 0, ""},
		"a younger process has that number": {began.Add(-time.Minute), parent, ""},
	} {
		if used, ok := UsedBy(child, test.started, "/bin/sleep", test.parent); used.Text != test.want || ok != (test.want != "") {
			t.Errorf("%s: %+v, want %q", name, used, test.want)
		}
	}
	in.Close()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if used, ok := UsedBy(child, began, "/bin/sleep", parent); ok {
		t.Errorf("nobody lives who could tell: %+v", used)
	}
}
