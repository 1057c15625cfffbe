package process

import (
	"strings"

	"sallyport.dev/sallyport/firewall/interpreter"
)

func isInterpreter(path string) bool {
	_, is := interpreter.Of(strings.TrimSuffix(lastPart(path), ".exe"))
	return is
}

// script finds the script in an interpreter's command line, or tells that its
// code stands there. With neither it is one in which a person types, or
// something else that is not understood.
func script(arguments []string) (file string, inline bool) {
	if len(arguments) == 0 {
		return "", false
	}
	name := lastPart(strings.TrimPrefix(arguments[0], "-")) // a login shell has the hyphen
	file, why := interpreter.Script(strings.TrimSuffix(name, ".exe"), arguments)
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
