package app

import (
	"path/filepath"
	"strings"
)

// asWritten is a path as the file system writes it, where only its case is
// another one: Windows names a running program so.
func asWritten(program string) string {
	if !filepath.IsAbs(program) {
		return program
	}
	if file, err := filepath.EvalSymlinks(program); err == nil && strings.EqualFold(file, program) {
		return file
	}
	return program
}
