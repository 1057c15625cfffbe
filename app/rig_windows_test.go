package app

import (
	"os"
	"os/exec"
	"path/filepath"
)

// testAddress is where the engine of a test is met: a pipe named after the
// test's folder.
func testAddress(dir string) string {
	return `\\.\pipe\ProtectedPrefix\Administrators\` + filepath.Base(filepath.Dir(dir)) + "-" + filepath.Base(dir)
}

// sleeper sleeps for a minute.
func sleeper() *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "SALLYPORT_TEST_SLEEPER=yes")
	return c
}
