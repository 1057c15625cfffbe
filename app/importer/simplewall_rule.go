package importer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sallyport.dev/sallyport/firewall"
)

// Address families as Windows has them.
const (
	wallIPv4 = "2"
	wallIPv6 = "23"
)

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
