package process

import "strings"

// interpreters are the programs that run what others wrote, by the name of
// their executable without its version, and the options, a letter each, by
// which they take code from the command line.
var interpreters = map[string]string{
	"sh": "c", "bash": "c", "dash": "c", "ash": "c", "zsh": "c", "ksh": "c", "mksh": "c", "fish": "c", "csh": "c", "tcsh": "c",
	"python": "c", "pypy": "c", "perl": "eE", "ruby": "e", "node": "ep", "nodejs": "ep", "php": "r", "lua": "e", "tclsh": "", "java": "",
}

// interpreterName is the name of the interpreter at the path, without its
// version: "python" of "/usr/bin/python3.11".
func interpreterName(path string) string {
	return strings.TrimRight(strings.TrimSuffix(lastPart(path), ".exe"), "0123456789.")
}

func isInterpreter(path string) bool {
	_, is := interpreters[interpreterName(path)]
	return is
}

// script finds the script in an interpreter's command line, or tells that its
// code comes from there or from its input. With neither it is one in which a
// person types, or something else that is not understood.
func script(arguments []string) (file string, inline bool) {
	if len(arguments) == 0 {
		return "", false
	}
	name := interpreterName(strings.TrimPrefix(arguments[0], "-")) // a login shell has the hyphen
	letters := interpreters[name]
	for i, argument := range arguments[1:] {
		rest := arguments[i+2:]
		option, isOption := strings.CutPrefix(argument, "-")
		switch {
		case name == "java" && argument != "-jar":
		case argument == "-jar" || argument == "--":
			if len(rest) > 0 {
				return rest[0], false
			}
			return "", false
		case argument == "-", strings.HasPrefix(argument, "--eval"), strings.HasPrefix(argument, "--print"):
			return "", true
		case isOption && !strings.HasPrefix(option, "-") && letters != "" && strings.ContainsAny(option, letters):
			return "", true
		case strings.HasPrefix(argument, "/dev/") || strings.HasPrefix(argument, "/proc/"): // something that is open
			return "", true
		case argument != "" && !isOption:
			return argument, false
		}
	}
	return "", false
}

// lastPart is what follows the last separator of a path, of Unix or of Windows.
func lastPart(path string) string {
	separator := byte('/')
	if strings.HasPrefix(path, `\\`) || len(path) > 2 && path[1:3] == `:\` {
		separator = '\\'
	}
	return path[strings.LastIndexByte(path, separator)+1:]
}
