package interpreter

import (
	"regexp"
	"strings"
)

// ScriptOfLine is [Script] for a process of Windows, which has its command line
// as one text: each program splits it by itself. What not all of them split
// alike is not understood.
func ScriptOfLine(file, line string) (script string, why Why) {
	if f := of(file); f != nil && f.name == "cmd" {
		return batch(line)
	}
	args, whole := words(line)
	script, why = Script(file, args)
	if !whole && why == Stdin {
		why = Unknown
	}
	return script, why
}

// words splits a command line at its spaces, up to the first word that is not
// plain: one without quotation marks, or one between two of them. whole tells
// whether these are all.
func words(line string) (args []string, whole bool) {
	rest := line
	for rest != "" {
		word, after := rest, ""
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			if word, after, ok = strings.Cut(quoted, `"`); !ok || strings.HasSuffix(word, `\`) {
				return args, false
			}
		} else if i := strings.IndexAny(rest, " \t"); i >= 0 {
			word, after = rest[:i], rest[i:]
		}
		next := strings.TrimLeft(after, " \t")
		if next == after && after != "" || word == "" && len(rest) == len(line) || strings.ContainsFunc(word, isOdd) {
			return args, false
		}
		args, rest = append(args, word), next
	}
	return args, true
}

// isOdd tells whether a character in a word may mean something to somebody.
func isOdd(c rune) bool { return c < ' ' || c == '"' }

// namesFile tells whether an argument names the same file to every program: an
// absolute path, or one below the folder of the process.
func namesFile(script string) bool {
	if strings.ContainsAny(script, "\"'*?<>|") || strings.HasPrefix(script, "/") {
		return false
	}
	if len(script) > 1 && script[1] == ':' {
		return len(script) > 3 && (script[2] == '\\' || script[2] == '/') && !strings.Contains(script[2:], ":")
	}
	return (!strings.HasPrefix(script, `\`) || strings.HasPrefix(script, `\\`)) && !strings.Contains(script, ":")
}

// The command lines of cmd.exe that run a batch file and nothing else: what is
// between quotation marks, or has no space. Outside of them, and in the
// arguments, is nothing that means something to cmd.exe.
var (
	batchOptions = regexp.MustCompile(`(?i)^[ \t]*((?:/(?:d|q|a|u|e:on|v:off|f:off)[ \t]+)*)/c[ \t]+(.*)$`)
	batchForms   = []*regexp.Regexp{
		regexp.MustCompile(`(?i)^""([a-z]:\\[^"&|<>^%!:*?/]+\.(?:bat|cmd))"([ \t][^"&|<>^%!()]*)?"$`),
		regexp.MustCompile(`(?i)^"([a-z]:\\[^"&|<>^%!:*?/()@]+\.(?:bat|cmd))"([ \t][^"&|<>^%!()@]*)?$`),
		regexp.MustCompile(`(?i)^([a-z]:\\[^"&|<>^%!:*?/()@ \t,;=]+\.(?:bat|cmd))([ \t][^"&|<>^%!()]*)?$`),
	}
)

// batch is the batch file that cmd.exe runs.
func batch(line string) (script string, why Why) {
	if strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' }) {
		return "", Unknown
	}
	rest := strings.TrimLeft(line, " \t")
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		_, rest, _ = strings.Cut(quoted, `"`)
	} else if i := strings.IndexAny(rest, " \t"); i >= 0 {
		rest = rest[i:]
	} else {
		rest = ""
	}
	switch rest = strings.TrimSpace(rest); {
	case rest == "":
		return "", Stdin
	case !batchOptions.MatchString(rest):
		return "", Inline
	}
	command := batchOptions.FindStringSubmatch(rest)[2]
	for _, form := range batchForms {
		if found := form.FindStringSubmatch(command); found != nil {
			return found[1], ""
		}
	}
	return "", Inline
}
