package interpreter

import (
	"regexp"
	"strings"
)

// options are what a family's interpreters understand before the script's
// name. What is not here is not understood.
type options struct {
	clusters bool                 // letters may follow each other in one argument: "-Es"
	plus     bool                 // and follow a plus sign
	slash    bool                 // options may begin with a slash, on Windows
	fold     bool                 // capitals make no difference
	begin    string               // what options begin with; "": a hyphen
	ends     []string             // what ends the options
	flags    map[string]bool      // what changes nothing about what runs
	shapes   *regexp.Regexp       // the same, for all that look so
	values   map[string]value     // the same, with a value
	files    map[string]bool      // what has the script for a value
	modules  map[string]bool      // what has a module for a value, which then runs
	classes  map[string]bool      // what has folders for a value, in which the first argument that is no option is searched for
	searches map[string]bool      // what makes the script be searched for, unless it is a whole path
	not      map[string]Why       // what makes something else run, or more
	operand  func(arg string) Why // what the first argument that is no option is; nil: the script
}

// value is the value of an option.
type value struct {
	at     place
	accept *regexp.Regexp // nil: anything
}

// place is where a value stands.
type place uint8

const (
	nearby   place = iota // the rest of the argument, or the next one
	next                  // the next argument
	attached              // the rest of the argument
)

// Why says in a few words why nobody can say that it is a script that runs, and
// nothing else. It is empty where it is one.
type Why string

const (
	Inline  Why = "inline code"
	Stdin   Why = "code from standard input"
	Module  Why = "a module or class, " + wherever
	Beside  Why = "code that is loaded beside the script"
	Unknown Why = "its command line is not understood"
	TooLong Why = "its command line is too long"
)

// wherever is why a name alone tells nothing: the current folder, the environment
// and whoever may write to the folders decide which file it is.
const wherever = "wherever it is found"

// plain is a name that can be shown as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.$/-]{1,80}$`)

// searched says that a module, class or script is searched for.
func searched(kind, name string) Why {
	if !plain.MatchString(name) {
		return Module
	}
	return Why(kind + " " + name + ", " + wherever)
}

var (
	shell = options{
		clusters: true, plus: true, ends: []string{"--", "-"},
		flags:  set("-a", "-e", "-f", "-h", "-k", "-l", "-m", "-n", "-p", "-u", "-v", "-x", "-B", "-C", "-E", "-H", "-P", "--login", "--noediting", "--noprofile", "--norc", "--posix", "--restricted", "--verbose"),
		values: map[string]value{"-o": {at: next}},
		not:    map[string]Why{"-c": Inline, "-s": Stdin, "-i": Beside, "--rcfile": Beside, "--init-file": Beside},
	}
	python = options{
		clusters: true, ends: []string{"--"},
		flags: set("-b", "-B", "-d", "-E", "-I", "-O", "-P", "-q", "-s", "-S", "-u", "-v", "-x"),
		values: map[string]value{
			"-W": {accept: regexp.MustCompile(`^[a-z]+(::[A-Za-z]+)?$`)}, // a dotted name is imported
			"-X": {accept: regexp.MustCompile(`^(dev|faulthandler|importtime|tracemalloc(=\d+)?|utf8(=[01])?)$`)},
		},
		modules: set("-m"),
		not:     map[string]Why{"-c": Inline, "-": Stdin, "-i": Stdin},
	}
	perl = options{
		clusters: true, ends: []string{"--"},
		flags:    set("-s", "-t", "-T", "-u", "-U", "-w", "-W", "-X"),
		searches: set("-S"),
		values:   map[string]value{"-0": {attached, digits}, "-C": {attached, digits}, "-l": {attached, digits}},
		not: map[string]Why{"-e": Inline, "-E": Inline, "-": Stdin, "-n": Inline, "-p": Inline, "-x": Inline,
			"-I": Beside, "-M": Beside, "-m": Beside, "-d": Beside},
	}
	ruby = options{
		clusters: true, ends: []string{"--"},
		flags:    set("-d", "-s", "-U", "-v", "-w", "--debug", "--disable-gems", "--jit", "--verbose", "--yjit"),
		searches: set("-S"),
		values:   map[string]value{"-W": {attached, digits}},
		not: map[string]Why{"-e": Inline, "-": Stdin, "-n": Inline, "-p": Inline, "-x": Inline,
			"-I": Beside, "-r": Beside},
	}
	node = options{
		ends: []string{"--"},
		flags: set("--abort-on-uncaught-exception", "--enable-source-maps", "--expose-gc", "--no-deprecation", "--no-warnings", "--throw-deprecation",
			"--trace-deprecation", "--trace-uncaught", "--trace-warnings", "--use-openssl-ca", "--use-system-ca"),
		values: map[string]value{
			"--max-old-space-size": {attached, digits}, "--max_old_space_size": {attached, digits}, "--stack-size": {attached, digits},
			"--unhandled-rejections": {at: attached}, "--title": {at: attached},
		},
		not: map[string]Why{"-e": Inline, "--eval": Inline, "-p": Inline, "--print": Inline, "-pe": Inline, "-": Stdin, "-i": Stdin, "--interactive": Stdin,
			"-r": Beside, "--require": Beside, "--import": Beside, "--loader": Beside, "--experimental-loader": Beside},
		operand: func(arg string) Why {
			if arg == "inspect" || arg == "debug" {
				return Beside // the debugger, which then runs the script
			}
			return ""
		},
	}
	java = options{
		flags: set("-server", "-client", "-ea", "-esa", "-da", "-dsa", "-showversion", "--enable-preview"),
		shapes: regexp.MustCompile(`^(-X(mx|ms|mn|ss)\d+[kmgKMG]?|-XX:[+-]Use[A-Za-z0-9]+|-XX:[+](HeapDump|Exit|Crash)OnOutOfMemoryError|-XX:(Max|Min|Initial)[A-Za-z0-9]+=[\d.]+[kmgKMG]?` +
			`|-D(file\.encoding|user\.(language|country|timezone)|java\.(awt\.headless|net\.preferIPv[46]Stack|net\.preferIPv6Addresses))=[^=]*)$`),
		values:  map[string]value{"--add-opens": {}, "--add-exports": {}, "--enable-native-access": {at: attached}},
		files:   set("-jar"),
		modules: set("-m", "--module"),
		classes: set("-cp", "-classpath", "--class-path", "-p", "--module-path"),
		not:     map[string]Why{"--patch-module": Beside},
		operand: func(arg string) Why {
			switch {
			case strings.HasPrefix(arg, "@"):
				return Unknown // options from a file
			case len(arg) > len(".java") && strings.HasSuffix(arg, ".java"):
				return ""
			}
			return searched("class", arg)
		},
	}
	powershell = options{
		fold: true, slash: true,
		flags: set("-nologo", "-nol", "-noninteractive", "-noni", "-noprofile", "-nop", "-sta", "-mta"),
		values: map[string]value{"-executionpolicy": {at: next}, "-exec": {at: next}, "-ep": {at: next}, "-ex": {at: next},
			"-windowstyle": {at: next}, "-win": {at: next}, "-w": {at: next}},
		files: set("-file", "-f"),
		not: map[string]Why{"-command": Inline, "-c": Inline, "-encodedcommand": Inline, "-enc": Inline, "-ec": Inline, "-e": Inline, "-noexit": Stdin, "-noe": Stdin, "-": Stdin,
			"-interactive": Stdin, "-i": Stdin},
		operand: func(arg string) Why {
			if strings.ContainsRune("–—―", []rune(arg + " ")[0]) { // which count as hyphens
				return Unknown
			}
			return ""
		},
	}
	// windowsPowerShell takes what is no option for a command.
	windowsPowerShell = func() options {
		o := powershell
		o.operand = func(string) Why { return Inline }
		return o
	}()
	scriptHost = options{
		fold: true, begin: "//",
		flags:  set("//b", "//d", "//i", "//logo", "//nologo", "//u", "//x"),
		shapes: regexp.MustCompile(`^//(t:[0-9]+|e:(vb|j)script|job:.*)$`),
		operand: func(arg string) Why {
			if strings.HasPrefix(arg, "/") {
				return Unknown
			}
			return ""
		},
	}
)

var digits = regexp.MustCompile(`^[0-9]*$`)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
