package app

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport.dev/sallyport/firewall"
)

// A rule that a person makes by hand for a script of their own Python is the
// one that the question would make.
func TestAScriptOfAnInterpreterInAHomeFolderIsNamedWithIt(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own, shim := filepath.Join(dir, "python3.11"), filepath.Join(dir, "python3")
	if err := os.WriteFile(own, nil, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(own, 0o777); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	if err := os.Symlink("python3.11", shim); err != nil {
		t.Fatal(err)
	}
	asked := firewall.Program{Kind: firewall.Interpreted, Path: own, Family: "python", Script: "/home/u/a.py", Replaceable: true}
	for _, program := range []string{own, shim} {
		flags := programFlags{program: program, script: "/home/u/a.py"}
		if got, err := flags.text(); err != nil || got != asked.ID() || validate(firewall.Rule{Program: got}) != nil {
			t.Errorf("%s: %q, %v; the question is about %q", program, got, err, asked.ID())
		}
	}
	flags := programFlags{program: filepath.Join(dir, "none/python3"), script: "/home/u/a.py"}
	if got, err := flags.text(); err != nil || got != "script:python:/home/u/a.py" {
		t.Errorf("an interpreter that is not there: %q, %v", got, err)
	}
}
