package importer

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// isPacked tells whether the text is a profile that simplewall compressed or
// encrypted.
func isPacked(text []byte) bool { return bytes.HasPrefix(text, []byte("swc")) }

// wallItem is an item of a profile of simplewall: its attributes.
type wallItem struct {
	line int
	attr map[string]string
}

func (w wallItem) is(name string) bool { return w.attr[name] == "true" || w.attr[name] == "1" }

func (w wallItem) where() string { return "line " + strconv.Itoa(w.line) }

// The places of rules among each other: what blocks, what allows, programs.
const (
	wallBlock = iota
	wallAllow
	wallProgram
)

// userProfile is the type of the file that simplewall keeps a person's rules in.
const userProfile = "3"

func readSimplewall(text []byte) (r Result, err error) {
	if isPacked(text) {
		return r, errors.New("simplewall has compressed or encrypted this profile: set its profile type to plain, and export it again")
	}
	sections, version, err := wallSections(text)
	if err != nil {
		return r, err
	}
	var candidates []candidate
	unlisted := 0
	for _, w := range sections["apps"] {
		switch {
		case !w.is("is_enabled"):
			unlisted++
			continue
		}
		ours, what, err := r.wallProgram(w)
		if err != nil {
			r.leave(w.where(), "allow "+w.attr["path"], err.Error())
		}
		for _, rule := range ours {
			candidates = append(candidates, candidate{rule, w.where(), what, wallProgram})
		}
	}
	if unlisted > 0 {
		r.leave("<apps>", fmt.Sprintf("%d programs that are not ticked", unlisted), "simplewall blocks them as all that it does not know; here they are asked about")
	}
	for _, w := range sections["rules_custom"] {
		candidates = append(candidates, r.wallRule(w, version)...)
	}
	for _, w := range sections["rules_config"] {
		if w.is("is_enabled") || w.attr["apps"] != "" {
			r.leave(w.where(), w.attr["name"], "a rule of simplewall's own, which is not in the file")
		}
	}
	return r, r.inOrder(candidates)
}

// wallSections reads the items of each part of a profile.
func wallSections(text []byte) (sections map[string][]wallItem, version int, err error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("its text is in %s: want UTF-8", label)
	}
	sections = map[string][]wallItem{}
	var open []string
	for items := 0; ; {
		line, _ := d.InputPos()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(sections) > 0 {
			return sections, version, nil
		} else if err != nil {
			return nil, 0, fmt.Errorf("no profile of simplewall: line %d: %w", line, err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, 0, fmt.Errorf("no profile of simplewall: line %d: it has a document type, which no profile has", line)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.StartElement:
			attr := map[string]string{}
			for _, a := range t.Attr {
				if _, twice := attr[a.Name.Local]; twice {
					return nil, 0, fmt.Errorf("no profile of simplewall: line %d: %s is there twice", line, a.Name.Local)
				}
				attr[a.Name.Local] = a.Value
			}
			switch {
			case len(open) == 0:
				version, err = strconv.Atoi(attr["version"])
				if t.Name.Local != "root" || attr["type"] != userProfile || err != nil {
					return nil, 0, fmt.Errorf("no profile of simplewall: want <root type=%q version=…> first", userProfile)
				}
				sections[""] = nil
			case len(open) == 2 && t.Name.Local == "item":
				if items++; items > maxRules {
					return nil, 0, errTooMany
				}
				line, _ := d.InputPos()
				sections[open[1]] = append(sections[open[1]], wallItem{line, attr})
			}
			if open = append(open, t.Name.Local); len(open) > 8 {
				return nil, 0, fmt.Errorf("no profile of simplewall: line %d: too deep", line)
			}
		}
	}
}

// wallProgram are the rules for a program that is ticked: it may do all.
func (r *Result) wallProgram(w wallItem) ([]firewall.Rule, string, error) {
	program, err := r.wallPath(w, w.attr["path"])
	if err != nil {
		return nil, "", err
	}
	rule := firewall.Rule{Program: program, Verdict: firewall.Allow, Note: note("simplewall", w.attr["comment"])}
	if timer := w.attr["timer"]; timer != "" && timer != "0" {
		ends, err := strconv.ParseInt(timer, 10, 64)
		if err != nil || ends < 0 || ends > 1<<36 {
			return nil, "", fmt.Errorf("its timer %q is no time", timer)
		}
		if rule.Until.At = time.Unix(ends, 0).UTC(); !rule.Until.At.After(time.Now()) {
			return nil, "", fmt.Errorf("its time was over on %s", rule.Until.At.Format(time.DateOnly))
		}
	}
	in := rule
	in.Direction = firewall.In
	return []firewall.Rule{rule, in}, w.attr["path"], validate(rule)
}

// serviceHost runs most services of Windows.
const serviceHost = `C:\Windows\System32\svchost.exe`

// wallPath is the program that simplewall calls by a path or another name.
func (r *Result) wallPath(w wallItem, path string) (string, error) {
	switch {
	case strings.HasPrefix(path, "S-1-"):
		return "", errors.New("an app of the Store by its SID, which does not tell its package family")
	case strings.EqualFold(path, "System"):
		return "", errors.New("the kernel of Windows as a process: here it is not one program")
	case strings.Contains(path, "%"):
		return "", errors.New("its path has a variable, which is known on the other computer only")
	case path != "" && !strings.ContainsAny(path, `\/:`):
		service := "service:" + path + ":" + serviceHost
		r.leave(w.where(), path, "a service: it is taken to run in "+serviceHost)
		return service, nil
	case len(path) > 2 && path[1] == ':' && path[2] == '\\', strings.HasPrefix(path, `\\`):
		return path, nil
	}
	return "", fmt.Errorf("%q is no path of a program", path)
}
