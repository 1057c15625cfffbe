package process

import (
	"strings"

	"sallyport.dev/sallyport/firewall/interpreter"
)

func isInterpreter(path string) bool {
	_, is := interpreter.Of(path)
	return is
}

// script finds the script in an interpreter's command line, or tells that its
// code stands there. With neither it is one in which a person types, or
// something else that is not understood.
func script(path string, arguments []string) (file string, inline bool) {
	file, why := interpreter.Script(path, arguments)
	if strings.HasPrefix(file, "/dev/") || strings.HasPrefix(file, "/proc/") { // something that is open
		return "", true
	}
	return file, why == interpreter.Inline
}

// lastPart is what follows the last separator of a path, of Unix or of Windows.
func lastPart(path string) string {
	separator := byte('/')
	if strings.HasPrefix(path, `\\`) || len(path) > 2 && path[1:3] == `:\` {
		separator = '\\'
	}
	return path[strings.LastIndexByte(path, separator)+1:]
}
