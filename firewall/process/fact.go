package process

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxFact    = 300            // bytes of a fact
	maxName    = 64             // bytes of a name within a fact
	newFile    = 24 * time.Hour // younger than this, a file is worth a word
	cutShort   = "…"
	plainNames = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+@\\"
)

// Fact is a fact in words. A worrying one is a sentence without its full stop,
// another one a label, a colon, a space, and what there is to tell: "started
// by: backup.sh, cron". Both are UTF-8 of at most 300 bytes.
type Fact struct {
	Text     string
	Worrying bool
}

// Words says the facts that are known, as of now, the worrying ones first.
func (f Facts) Words(now time.Time) (all []Fact) {
	add := func(worrying bool, format string, a ...any) {
		all = append(all, Fact{bounded(fmt.Sprintf(format, a...), maxFact), worrying})
	}
	if f.File.MemoryOnly {
		add(true, "it runs from memory and has no file")
	}
	if f.File.Deleted {
		add(true, "its file was deleted or replaced")
	}
	libraries := ""
	for _, variable := range f.Loader {
		name, value, _ := strings.Cut(variable, "=")
		if name == "LD_LIBRARY_PATH" {
			libraries = value
		} else {
			add(true, "%s is set: %s", name, value)
		}
	}
	writer := f.File.Writer
	if writer != anyone {
		writer = "user " + name(writer)
	}
	switch {
	case f.File.Writer == "":
	case f.File.Writable == f.Path:
		add(true, "%s can change its file", writer)
	default:
		add(true, "%s can change what is in %s", writer, f.File.Writable)
	}
	if age := now.Sub(f.File.Changed); !f.File.Changed.IsZero() && age < newFile {
		add(true, "its file changed %s", ago(age))
	}
	if f.File.Internet {
		from := ""
		if f.File.Source != "" {
			from = ": " + name(f.File.Source)
		}
		add(true, "its file came from the internet%s", from)
	}
	if a, ok := f.Behind(); ok {
		all = append(all, usedBy(a))
	}
	if started := f.startedBy(); started != "" {
		add(false, "started by: %s", started)
	}
	if user := f.userText(); user != "" {
		add(false, "user: %s", user)
	}
	if f.Command != "" && f.Command != f.Path {
		add(false, "command: %s", f.Command)
	}
	switch {
	case f.Container != "":
		add(false, "runs in: %s", f.Container)
	case len(f.Namespaces) > 0:
		add(false, "runs in: its own %s", namespaces(f.Namespaces))
	}
	if libraries != "" {
		add(false, "libraries from: %s", libraries)
	}
	return all
}

// startedBy is the chain of ancestors, and the unit in which that was.
func (f Facts) startedBy() string {
	var names []string
	for _, a := range f.Chain {
		names = append(names, name(a.Title()))
	}
	chain := strings.Join(names, ", ")
	if f.Unit != "" {
		chain += " (" + name(f.Unit) + ")"
	}
	return strings.TrimSpace(chain)
}

// name is a name as it stands among other words: one that could be taken for
// several of them is in quotation marks.
func name(s string) string {
	if s = bounded(s, maxName); strings.Trim(strings.TrimSuffix(s, cutShort), plainNames) == "" {
		return s
	}
	return strconv.Quote(s)
}

// userText is the user, the terminal, and the rights.
func (f Facts) userText() string {
	user := name(f.User)
	if f.User == "" && f.UID >= 0 {
		user = strconv.Itoa(f.UID)
	}
	if f.Terminal != "" {
		user += " on " + f.Terminal
	}
	if f.Rights != "" {
		user += ", " + f.Rights
	}
	return strings.TrimSpace(user)
}

// ago is an age in words.
func ago(age time.Duration) string {
	n, unit := int(age.Hours()), "hour"
	if n < 1 {
		n, unit = int(age.Minutes()), "minute"
	}
	switch {
	case n < 1:
		return "just now"
	case n > 1:
		unit += "s"
	}
	return fmt.Sprintf("%d %s ago", n, unit)
}

// namespaces names kinds of namespaces: "mount and user namespaces".
func namespaces(kinds []string) string {
	last := len(kinds) - 1
	if last == 0 {
		return kinds[0] + " namespace"
	}
	return strings.Join(kinds[:last], ", ") + " and " + kinds[last] + " namespaces"
}

// bounded is s as valid text of at most most bytes.
func bounded(s string, most int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= most {
		return s
	}
	cut := most - len(cutShort)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + cutShort
}
