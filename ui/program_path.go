package ui

import "strings"

// programFile is the path in a program's identity.
func programFile(program string) string {
	rest, foreign := strings.CutPrefix(program, "foreign:") // FILE:PATH
	if !foreign {
		return program
	}
	if i := strings.Index(rest, ":/"); i >= 0 {
		return rest[i+1:]
	}
	if i := strings.Index(rest, `:\`); i > 0 { // a drive's letter stands before
		return rest[i-1:]
	}
	return rest[strings.LastIndexByte(rest, ':')+1:]
}

// lastPart is what follows the last separator of a path, of Unix or of Windows.
func lastPart(path string) string {
	separator := byte('/')
	if isWindowsPath(path) {
		separator = '\\'
	}
	return path[strings.LastIndexByte(path, separator)+1:]
}

// isWindowsPath tells whether a path begins with a drive or a server.
func isWindowsPath(s string) bool {
	return len(s) > 2 && s[1:3] == `:\` || strings.HasPrefix(s, `\\`)
}
