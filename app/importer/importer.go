// Package importer reads the rules of other firewalls: the folder in which
// OpenSnitch keeps them, the profile of simplewall, and what Portmaster exports
// of a program.
//
// A rule becomes rules of ours that mean the same, or it is left out and
// listed, with the reason: an allowing rule never becomes wider, and what
// becomes narrower or changes its place among the others is listed too.
package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"sallyport.dev/sallyport/firewall"
)

// Kind names the program that a file is of.
type Kind string

const (
	OpenSnitch Kind = "opensnitch"
	Simplewall Kind = "simplewall"
	Portmaster Kind = "portmaster"
)

// Kinds are all of them.
var Kinds = []Kind{OpenSnitch, Simplewall, Portmaster}

// ErrUnknown: the file is none of a program that is known here.
var ErrUnknown = errors.New("this is no rule file of OpenSnitch, simplewall or Portmaster")

// Limits of what is read.
const (
	MaxFile  = 32 << 20 // bytes
	maxFiles = 10_000   // in a folder
	maxRules = 20_000   // that come of all: each is compared with each
)

var errTooMany = fmt.Errorf("more than %d rules would come of it", maxRules)

// Result is what a program's rules are here.
type Result struct {
	Rules []firewall.Rule // without IDs
	Left  []Left          // what has no place here, or another one
}

// Left is something that was not imported as it is.
type Left struct {
	Where string `json:"where"` // the file, line or entry
	What  string `json:"what"`  // in the other program's words
	Why   string `json:"why"`   // a sentence without a full stop
}

func (r *Result) leave(where, what, why string) {
	l := Left{where, printable(what, 200), printable(why, 300)}
	if !slices.Contains(r.Left[max(0, len(r.Left)-maxRange):], l) { // one of many alike, such as ports of a range
		r.Left = append(r.Left, l)
	}
}

// Detect tells which program's file the text is; "" if of none.
func Detect(text []byte) Kind {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	switch {
	case bytes.HasPrefix(text, []byte("<")), isPacked(text):
		return Simplewall
	case bytes.HasPrefix(text, []byte("{")):
		var keys map[string]json.RawMessage
		json.Unmarshal(text, &keys)
		switch {
		case keys["operator"] != nil:
			return OpenSnitch
		case keys["type"] != nil || keys["fingerprints"] != nil:
			return Portmaster
		}
	case bytes.HasPrefix(text, []byte("type: ")), bytes.Contains(text, []byte("\nfingerprints:")):
		return Portmaster
	}
	return ""
}

// Read reads a file of the kind; with the kind "" it is told by the content.
// The name is how the file is called in what is listed. An error means that
// nothing of it is to be imported.
func Read(kind Kind, name string, text []byte) (Result, error) {
	if len(text) > MaxFile {
		return Result{}, fmt.Errorf("larger than %d MB", MaxFile>>20)
	}
	if kind == "" {
		kind = Detect(text)
	}
	switch kind {
	case OpenSnitch:
		return readOpenSnitch([]snitchFile{{name, text}})
	case Simplewall:
		return readSimplewall(text)
	case Portmaster:
		return readPortmaster(text)
	}
	return Result{}, ErrUnknown
}

// ReadFolder reads the folder in which OpenSnitch keeps its rules.
func ReadFolder(kind Kind, folder fs.FS) (Result, error) {
	if kind != "" && kind != OpenSnitch {
		return Result{}, fmt.Errorf("a folder is of OpenSnitch only: name the file of %s", kind)
	}
	names, err := fs.Glob(folder, "*.json")
	if err != nil {
		return Result{}, err
	}
	if len(names) == 0 {
		return Result{}, errors.New("the folder has no rules of OpenSnitch: want files such as allow-curl.json")
	}
	if len(names) > maxFiles {
		return Result{}, fmt.Errorf("the folder has more than %d files", maxFiles)
	}
	files, size := make([]snitchFile, len(names)), 0
	for i, name := range names {
		info, err := fs.Stat(folder, name)
		if err != nil {
			return Result{}, err
		}
		if !info.Mode().IsRegular() || info.Size() > MaxFile {
			return Result{}, fmt.Errorf("%s: no rule of OpenSnitch: it is no file, or larger than %d MB", name, MaxFile>>20)
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return Result{}, err
		}
		if size += len(text); size > MaxFile {
			return Result{}, fmt.Errorf("the folder is larger than %d MB", MaxFile>>20)
		}
		files[i] = snitchFile{name, text}
	}
	return readOpenSnitch(files)
}

// printable bounds a text from a file, and takes out what cannot be shown.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}

// note is the remark of a rule that came of one of that name.
func note(kind, name string) string {
	return strings.TrimSuffix(strings.TrimSpace(printable(kind+": "+name, 200)), ":")
}
