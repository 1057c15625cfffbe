package interpreter

import (
	"cmp"
	"slices"
	"strings"
)

// Script returns the argument that names the script which the interpreter at
// file runs when it is started with these arguments, its own name first, or
// why it is not just a script. It is a path as the process would open it.
func Script(file string, args []string) (script string, why Why) {
	f := of(file)
	if f == nil || len(args) == 0 {
		return "", Unknown
	}
	c := command{options: f.options, args: args[1:]}
	c.slash = c.slash && isOfWindows(file)
	script, why = c.script()
	switch {
	case why == "" && script == "":
		why = Unknown
	case script == "-":
		why = Stdin
	case why == "" && isOfWindows(file) && !namesFile(script):
		why = Unknown
	}
	if why != "" {
		return "", why
	}
	return script, ""
}

// command is a command line that is being read.
type command struct {
	options
	args []string // not read yet

	searching bool // for the script
	beside    bool // code may come from folders that it names
}

func (c *command) next() (arg string, ok bool) {
	if len(c.args) == 0 {
		return "", false
	}
	arg, c.args = c.args[0], c.args[1:]
	return arg, true
}

func (c *command) script() (script string, why Why) {
	for {
		arg, ok := c.next()
		switch {
		case !ok:
			return "", Stdin
		case slices.Contains(c.ends, arg):
			arg, ok = c.next()
			if !ok {
				return "", Stdin
			}
			return c.first(arg)
		case c.plus && strings.HasPrefix(arg, "+"), c.slash && strings.HasPrefix(arg, "/"):
			arg = "-" + arg[1:]
		case !strings.HasPrefix(arg, cmp.Or(c.begin, "-")):
			return c.first(arg)
		}
		if c.fold {
			arg = strings.ToLower(arg)
		}
		if c.files[arg] {
			script, ok := c.next()
			switch {
			case !ok:
				return "", Unknown
			case c.beside:
				return "", Beside
			}
			return script, ""
		}
		read := c.word
		if c.clusters && !strings.HasPrefix(arg, "--") && arg != "-" {
			read = c.cluster
		}
		if why := read(arg); why != "" {
			return "", why
		}
	}
}

// first is what runs because of the first argument that is no option.
func (c *command) first(arg string) (script string, why Why) {
	if c.operand != nil {
		why = c.operand(arg)
	}
	switch {
	case why != "":
	case c.searching && !strings.HasPrefix(arg, "/"):
		why = searched("script", arg)
	case c.beside:
		why = Beside
	}
	return arg, why
}

// module is what runs because of an option for modules; rest follows it in the
// same argument.
func (c *command) module(rest string) Why {
	if rest == "" {
		var ok bool
		if rest, ok = c.next(); !ok {
			return Unknown
		}
	}
	return searched("module", rest)
}

// cluster reads an argument of letters.
func (c *command) cluster(arg string) Why {
	for i := 1; i < len(arg); i++ {
		option, rest := "-"+arg[i:i+1], arg[i+1:]
		if v, ok := c.values[option]; ok {
			return c.value(v, rest, rest != "")
		}
		if why, ok := c.not[option]; ok {
			return why
		}
		if c.modules[option] {
			return c.module(rest)
		}
		if c.searches[option] {
			c.searching = true
		} else if !c.flags[option] {
			return Unknown
		}
	}
	if len(arg) < 2 {
		return Unknown
	}
	return ""
}

// word reads an option that stands alone.
func (c *command) word(arg string) Why {
	option, rest, joined := strings.Cut(arg, "=")
	if why, ok := c.not[option]; ok {
		return why
	}
	if v, ok := c.values[option]; ok {
		if v.at == attached && !joined {
			return Unknown
		}
		return c.value(v, rest, joined)
	}
	if c.modules[option] {
		return c.module(rest)
	}
	if c.classes[option] {
		c.beside = true
		return c.value(value{}, rest, joined)
	}
	if c.flags[arg] || c.shapes != nil && c.shapes.MatchString(arg) {
		return ""
	}
	return Unknown
}

// value reads the value of an option; joined tells whether rest, which follows
// in the same argument, is one.
func (c *command) value(v value, rest string, joined bool) Why {
	switch {
	case v.at == next && joined:
		return Unknown
	case v.at == next, v.at == nearby && !joined:
		var ok bool
		if rest, ok = c.next(); !ok {
			return Unknown
		}
	}
	if v.accept != nil && !v.accept.MatchString(rest) {
		return Unknown
	}
	return ""
}
