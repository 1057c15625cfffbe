package importer

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
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

// Address families as Windows has them.
const (
	wallIPv4 = "2"
	wallIPv6 = "23"
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

// wallRule are the rules that a person made: each of its programs with each of
// its remote and local ends.
func (r *Result) wallRule(w wallItem, version int) (candidates []candidate) {
	name, rank := w.attr["name"], wallAllow
	base := firewall.Rule{Program: firewall.AnyProgram, Disabled: !w.is("is_enabled"), Verdict: firewall.Allow, Note: note("simplewall", name)}
	what := "allow: " + name
	if w.is("is_block") {
		base.Verdict, rank, what = firewall.Block, wallBlock, "block: "+name
	}
	ends, err := wallEnds(w, base)
	if err != nil {
		r.leave(w.where(), what, err.Error())
		return nil
	}
	if base.Verdict == firewall.Block && slices.ContainsFunc(ends, func(e firewall.Rule) bool { return e.Host != "" }) {
		r.leave(w.where(), what, "simplewall blocks the addresses of the name; here the name is blocked, when a program asked for it")
	}
	programs := []string{""}
	if apps := w.attr["apps"]; apps != "" {
		separator := "|"
		if version < 3 {
			separator = ";"
		}
		programs = strings.Split(strings.Trim(apps, separator), separator)
	}
	for _, app := range programs {
		program := firewall.AnyProgram
		if app != "" {
			if program, err = r.wallPath(w, app); err != nil {
				r.leave(w.where(), what+", for "+app, err.Error())
				continue
			}
		}
		for _, rule := range ends {
			rule.Program = program
			if err := validate(rule); err != nil {
				r.leave(w.where(), what, err.Error())
				break
			}
			candidates = append(candidates, candidate{rule, w.where(), what, rank})
			if len(candidates) > maxRules {
				return candidates
			}
		}
	}
	return candidates
}

// wallEnds are the directions and ends of a rule, each with the others of base.
func wallEnds(w wallItem, base firewall.Rule) (out []firewall.Rule, err error) {
	if w.attr["os_version"] != "" {
		return nil, errors.New("it is for some versions of Windows only")
	}
	if w.is("is_services") {
		return nil, errors.New("it is also for all services, which are not one program here")
	}
	protocol, err := strconv.ParseUint(defaultText(w.attr["protocol"], "0"), 10, 8)
	if err != nil {
		return nil, fmt.Errorf("the protocol %q is not known", w.attr["protocol"])
	}
	family := netip.Prefix{}
	switch version := defaultText(w.attr["version"], "0"); version {
	case "0":
	case wallIPv4:
		family = everyIPv4
	case wallIPv6:
		family = everyIPv6
	default:
		return nil, fmt.Errorf("the address family %q is not known", version)
	}
	switch base.Protocol = firewall.Protocol(protocol); base.Protocol {
	case firewall.ICMP:
		if !narrow(&family, everyIPv4) {
			return nil, errNever
		}
	case firewall.ICMPv6: // with ICMP one protocol here, told apart by the addresses
		base.Protocol = firewall.ICMP
		if !narrow(&family, everyIPv6) {
			return nil, errNever
		}
	}
	var directions []firewall.Direction
	switch dir := defaultText(w.attr["dir"], "0"); dir {
	case "0":
		directions = []firewall.Direction{firewall.Out}
	case "1":
		directions = []firewall.Direction{firewall.In}
	case "2":
		directions = []firewall.Direction{firewall.Out, firewall.In}
	default:
		return nil, fmt.Errorf("the direction %q is not known", dir)
	}
	// The first remote end goes with the first local one, and so on; the last of
	// the shorter list goes with all that are left.
	remotes, locals := wallList(w.attr["rule"]), wallList(w.attr["rule_local"])
	for i := range max(len(remotes), len(locals)) {
		ends, err := wallEnd(base, remotes[min(i, len(remotes)-1)], locals[min(i, len(locals)-1)])
		if err != nil {
			return nil, err
		}
		for _, rule := range ends {
			if family.IsValid() && !within(&rule, family) {
				return nil, errNever
			}
			for _, rule.Direction = range directions {
				out = append(out, rule)
			}
		}
		if len(out) > maxRules {
			return nil, errTooMany
		}
	}
	return out, nil
}

func defaultText(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// wallList splits a list of ends; it has at least one, which may be any.
func wallList(s string) []string {
	list := strings.Split(strings.Trim(s, "; \r\n"), ";")
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); list[i] == "*" {
			list[i] = ""
		}
	}
	return list
}

// wallEnd adds a remote and a local end to the rule, which may become several.
func wallEnd(base firewall.Rule, remote, local string) (out []firewall.Rule, err error) {
	out = []firewall.Rule{base}
	if remote != "" {
		if out, err = wallRemote(base, remote); err != nil {
			return nil, err
		}
	}
	if local == "" {
		return out, nil
	}
	list, err := ports(local)
	if err != nil {
		return nil, fmt.Errorf("local %q: want ports: addresses of this computer and long ranges cannot be said here", local)
	}
	var with []firewall.Rule
	for _, rule := range out {
		for _, rule.LocalPort = range list {
			with = append(with, rule)
		}
	}
	return with, nil
}

// wallRemote reads a port, an address, a range of either, a name, or an address
// or name with a port.
func wallRemote(base firewall.Rule, s string) (out []firewall.Rule, err error) {
	if strings.Trim(s, "0123456789- ") == "" {
		list, err := ports(s)
		for _, base.Port = range list {
			out = append(out, base)
		}
		return out, err
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		list, err := ports(port)
		if err != nil || len(list) != 1 {
			return nil, fmt.Errorf("%q: want an address and one port", s)
		}
		base.Port, s = list[0], host
	}
	list, err := prefixes(strings.Trim(s, "[]"))
	if err == nil {
		for _, base.Remote = range list {
			out = append(out, base)
		}
		return out, nil
	}
	if strings.ContainsAny(s, "/[]:") || strings.Trim(s, "0123456789.- ") == "" {
		return nil, err
	}
	base.Host, err = hostName(s)
	return []firewall.Rule{base}, err
}
