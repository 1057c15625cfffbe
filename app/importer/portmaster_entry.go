package importer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"sallyport.dev/sallyport/firewall"
)

// masterEntry reads an entry of a list, such as "+ example.com TCP/443 # web".
// If it cannot be said here, base has its verdict, and protocol and port if
// they can.
func masterEntry(text string, direction firewall.Direction) (base firewall.Rule, rules []firewall.Rule, err error) {
	base.Direction = direction
	text, _, _ = strings.Cut(text, " #")
	fields := strings.Fields(text)
	if len(fields) < 2 || len(fields) > 3 {
		return base, nil, errors.New("it is no entry: want + or -, and what is meant")
	}
	switch fields[0] {
	case "+":
		base.Verdict = firewall.Allow
	case "-":
	default:
		return base, nil, errors.New("it is no entry: want + or - first")
	}
	rules, family := []firewall.Rule{base}, netip.Prefix{}
	if len(fields) == 3 {
		if rules, family, err = masterPorts(base, fields[2]); err != nil {
			return base, nil, err
		}
		if base.Protocol = rules[0].Protocol; len(rules) == 1 {
			base.Port, base.LocalPort = rules[0].Port, rules[0].LocalPort
		}
	}
	var out []firewall.Rule
	for _, r := range rules {
		with, err := masterTarget(r, fields[1])
		if err != nil {
			return base, nil, err
		}
		for _, one := range with {
			if !family.IsValid() || within(&one, family) {
				out = append(out, one)
			}
		}
	}
	if len(out) == 0 {
		return base, nil, errNever
	}
	return base, out, nil
}

// masterPorts reads a protocol, with or without ports: "TCP", "6/443",
// "*/HTTPS", "UDP/5000-5003". The ports are those that are connected to.
func masterPorts(base firewall.Rule, s string) (rules []firewall.Rule, family netip.Prefix, err error) {
	protocol, port, hasPort := strings.Cut(s, "/")
	switch name := strings.ToLower(protocol); name {
	case "*":
	case "icmp", "1":
		base.Protocol, family = firewall.ICMP, everyIPv4
	case "icmpv6", "icmp6", "58":
		base.Protocol, family = firewall.ICMP, everyIPv6
	default:
		if err := base.Protocol.UnmarshalText([]byte(name)); err != nil || base.Protocol == firewall.AnyProtocol {
			return nil, family, fmt.Errorf("the protocol %q is not known", protocol)
		}
	}
	if !hasPort {
		return []firewall.Rule{base}, family, nil
	}
	switch strings.ToLower(port) {
	case "http":
		port = "80"
	case "https":
		port = "443"
	}
	list, err := ports(port)
	if err != nil {
		return nil, family, err
	}
	for _, p := range list {
		if base.Direction == firewall.In {
			base.LocalPort = p
		} else {
			base.Port = p
		}
		rules = append(rules, base)
	}
	return rules, family, nil
}

// masterTarget reads whom an entry is about.
func masterTarget(r firewall.Rule, s string) ([]firewall.Rule, error) {
	if s == "*" {
		return []firewall.Rule{r}, nil
	}
	text := s
	if _, n, err := net.ParseCIDR(s); err == nil {
		text = n.String()
	}
	if list, err := prefixes(text); err == nil && !strings.Contains(s, "-") {
		r.Remote = list[0]
		return []firewall.Rule{r}, nil
	}
	upper := strings.ToUpper(s)
	number, isAS := strings.CutPrefix(upper, "AS")
	switch {
	case upper == "LOCALHOST":
		return thisDevice(r), nil
	case strings.Contains(","+upper+",", ",LAN,"), strings.Contains(","+upper+",", ",INTERNET,"), strings.Contains(upper, ","):
		return nil, fmt.Errorf("the network scope %s cannot be said here", s)
	case strings.HasPrefix(upper, "L:"):
		return nil, errors.New("a list of others cannot be used here")
	case strings.HasPrefix(upper, "C:"), len(s) == 2 && !strings.Contains(s, "."):
		return nil, errors.New("countries and continents are not known here")
	case isAS && number != "" && strings.Trim(number, "0123456789") == "":
		return nil, errors.New("numbers of networks (AS) are not known here")
	case strings.HasPrefix(s, "."), strings.Contains(s, "*"):
		return nil, fmt.Errorf("%s is several names: here a rule names one", s)
	case r.Direction == firewall.In:
		return nil, errors.New("the name of who connects is not known here")
	case !strings.Contains(strings.Trim(s, "."), "."):
		return nil, fmt.Errorf("%q is not known", s)
	}
	host, err := hostName(s)
	r.Host = host
	return []firewall.Rule{r}, err
}
