package app

import "path/filepath"

// testAddress is where the engine of a test is met: a pipe named after the
// test's folder.
func testAddress(dir string) string {
	return `\\.\pipe\ProtectedPrefix\Administrators\` + filepath.Base(filepath.Dir(dir)) + "-" + filepath.Base(dir)
}
