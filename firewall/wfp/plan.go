package wfp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// NotShown is what status says where these rules are in use.
const NotShown = "fail closed: not yet shown on real Windows"

// Policy is what the rules are made of.
type Policy struct {
	Mode      firewall.Mode
	FailOpen  bool
	Resolvers []netip.Addr
	Allowed   []firewall.Program // whatever the destination
	Blocked   []firewall.Program // also what is permitted to all
}

// Change says what putting rules into force took.
type Change struct {
	Added, Removed int
	Skipped        []string // programs that no rule can be made for, with the reason
}

// DHCP's ports (RFC 2131, RFC 8415), and the port of DNS (RFC 1035).
const (
	dhcpClient, dhcpServer     = 68, 67
	dhcpv6Client, dhcpv6Server = 546, 547
	dns                        = 53
)

// neighbourDiscovery are the ICMPv6 types of what a computer sends to find
// routers and neighbours (RFC 4861): router solicitation, neighbour
// solicitation and advertisement.
var neighbourDiscovery = [...]uint8{133, 135, 136}

// Plan lists the rules that hold while no engine runs; none if everything
// passes then. skipped says which programs no rule can be made for.
func Plan(p Policy) (rules []Rule, skipped []string) {
	if p.FailOpen || p.Mode == firewall.ModeOff {
		return nil, nil
	}
	for _, l := range [...]Layer{ConnectV4, ConnectV6} {
		rules = append(rules,
			Rule{Name: "everything else", Layer: l, Weight: Everything},
			Rule{Name: "loopback", Layer: l, Weight: Permitted, Verdict: firewall.Allow, Loopback: true})
	}
	switch p.Mode {
	case firewall.ModeAsk, firewall.ModeAllow, firewall.ModeBlock, firewall.ModeLearn:
	default:
		return rules, nil
	}
	rules = append(rules, network()...)
	rules = append(rules, resolvers(p.Resolvers)...)
	for _, of := range []struct {
		programs []firewall.Program
		verdict  firewall.Verdict
		weight   Weight
	}{{p.Allowed, firewall.Allow, Permitted}, {p.Blocked, firewall.Block, Refused}} {
		for _, program := range of.programs {
			path, why := pathOf(program)
			if why != "" {
				skipped = append(skipped, fmt.Sprintf("%s (%s): %s", program.Name(), of.verdict, why))
				continue
			}
			for _, l := range [...]Layer{ConnectV4, ConnectV6} {
				rules = append(rules, Rule{Name: program.Name(), Layer: l, Weight: of.weight, Verdict: of.verdict, Program: path})
			}
		}
	}
	return rules, skipped
}

// network permits what keeps a computer on its network.
func network() []Rule {
	rules := []Rule{
		{Name: "DHCP", Layer: ConnectV4, Protocol: firewall.UDP, LocalPort: dhcpClient, RemotePort: dhcpServer},
		{Name: "DHCPv6", Layer: ConnectV6, Protocol: firewall.UDP, LocalPort: dhcpv6Client, RemotePort: dhcpv6Server},
	}
	for _, t := range neighbourDiscovery {
		rules = append(rules, Rule{Name: "neighbour discovery", Layer: ConnectV6, Protocol: firewall.ICMPv6, ICMPType: t})
	}
	for i := range rules {
		rules[i].Weight, rules[i].Verdict = Permitted, firewall.Allow
	}
	return rules
}

func resolvers(addrs []netip.Addr) (rules []Rule) {
	var done []netip.Addr
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if !a.IsValid() || a.IsUnspecified() || slices.Contains(done, a) {
			continue
		}
		done = append(done, a)
		l := ConnectV6
		if a.Is4() {
			l = ConnectV4
		}
		for _, protocol := range [...]firewall.Protocol{firewall.UDP, firewall.TCP} {
			rules = append(rules, Rule{
				Name: "resolver", Layer: l, Weight: Permitted, Verdict: firewall.Allow, Protocol: protocol, Address: a, RemotePort: dns,
			})
		}
	}
	return rules
}

// pathOf is the path by which the filtering platform knows a program; why says
// why it has none. A program that is not known by its path is never any.
func pathOf(p firewall.Program) (path, why string) {
	drive := len(p.Path) > 3 && p.Path[1] == ':' && p.Path[2] == '\\'
	switch {
	case p.Kind != firewall.Executable:
		return "", "it is not known by a path"
	case p.Path == "":
		return "", "it has no path"
	case !drive && !strings.HasPrefix(p.Path, `\\`):
		return "", fmt.Sprintf("%q is not the whole path of a file", p.Path)
	}
	return p.Path, ""
}

// Programs judges each path as a whole: allowed are those that may open any
// connection at any time, blocked are those that a rule lets open none. The
// rest depends on more than the program, and is in neither list.
func Programs(paths []string, judge func(firewall.Attempt) (firewall.Decision, bool)) (allowed, blocked []firewall.Program) {
	for _, path := range paths {
		p := firewall.Program{Kind: firewall.Executable, Path: path}
		d, ok := judge(firewall.Attempt{Flow: firewall.Flow{Direction: firewall.Out}, Program: p, UID: -1, Time: time.Now()})
		if !ok || d.Reason != firewall.ByRule || d.Scope != firewall.ThisProgram || d.Bounds != (firewall.Bounds{}) {
			continue
		}
		if d.Verdict == firewall.Allow {
			allowed = append(allowed, p)
		} else {
			blocked = append(blocked, p)
		}
	}
	return allowed, blocked
}
