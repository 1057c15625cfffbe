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
	Module  Why = "a module or class, which is searched for"
	Beside  Why = "code that is loaded beside the script"
	Unknown Why = "its command line is not understood"
	TooLong Why = "its command line is too long"
)

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
		not: map[string]Why{"-c": Inline, "-": Stdin, "-i": Stdin, "-m": Module},
	}
	perl = options{
		clusters: true, ends: []string{"--"},
		flags:  set("-s", "-t", "-T", "-u", "-U", "-w", "-W", "-X"),
		values: map[string]value{"-0": {attached, digits}, "-C": {attached, digits}, "-l": {attached, digits}},
		not: map[string]Why{"-e": Inline, "-E": Inline, "-": Stdin, "-n": Inline, "-p": Inline, "-x": Inline,
			"-I": Beside, "-M": Beside, "-m": Beside, "-d": Beside},
	}
	ruby = options{
		clusters: true, ends: []string{"--"},
		flags:  set("-d", "-s", "-U", "-v", "-w", "--debug", "--disable-gems", "--jit", "--verbose", "--yjit"),
		values: map[string]value{"-W": {attached, digits}},
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
		values: map[string]value{"--add-opens": {}, "--add-exports": {}, "--enable-native-access": {at: attached}},
		files:  set("-jar"),
		not: map[string]Why{"-cp": Module, "-classpath": Module, "--class-path": Module, "-m": Module, "--module": Module, "-p": Module, "--module-path": Module,
			"--patch-module": Beside},
		operand: func(arg string) Why {
			if len(arg) > len(".java") && arg[len(arg)-len(".java"):] == ".java" {
				return ""
			}
			return Module
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
