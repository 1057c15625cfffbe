//go:build !windows

package app

import "path/filepath"

// testAddress is where the engine of a test is met.
func testAddress(dir string) string { return filepath.Join(dir, "s.sock") }
