package wfp

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport.dev/sallyport/firewall"
)

// Layer is where a rule is asked: when a program opens a connection, of one IP
// version.
type Layer uint8

const (
	ConnectV4 Layer = iota
	ConnectV6
)

// String gives "IPv4" or "IPv6".
func (l Layer) String() string {
	if l == ConnectV6 {
		return "IPv6"
	}
	return "IPv4"
}

// Weight orders rules: the matching rule of the greatest weight decides.
type Weight uint64

const (
	// Everything is the weight of what blocks everything.
	Everything Weight = iota + 1
	// Permitted is the weight of what is permitted nevertheless.
	Permitted
	// Refused is the weight of programs that are blocked whatever is permitted
	// to all.
	Refused
	// Running is the weight of the engine's permit while it runs.
	Running
)

// Rule is one rule in the filtering platform. Empty conditions match
// everything, so that the zero Rule blocks all of a layer.
type Rule struct {
	Name       string // shown in Windows's own tools
	Layer      Layer
	Weight     Weight
	Verdict    firewall.Verdict
	Program    string // path of the executable
	Loopback   bool   // only what stays on this computer
	Protocol   firewall.Protocol
	Address    netip.Addr // remote, without zone
	LocalPort  uint16
	RemotePort uint16
	ICMPType   uint8
}

// String gives the rule in one line.
func (r Rule) String() string {
	parts := []string{fmt.Sprintf("%d %s %s", r.Weight, r.Verdict, r.Layer)}
	add := func(wanted bool, format string, args ...any) {
		if wanted {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(r.Program != "", "program %s", r.Program)
	add(r.Loopback, "loopback")
	add(r.Protocol != firewall.AnyProtocol, "%s", r.Protocol)
	add(r.ICMPType != 0, "type %d", r.ICMPType)
	add(r.Address.IsValid(), "to %s", r.Address)
	add(r.LocalPort != 0, "from port %d", r.LocalPort)
	add(r.RemotePort != 0, "to port %d", r.RemotePort)
	return strings.Join(parts, " ")
}

// errPermitsAll refuses a rule that would open the system.
var errPermitsAll = errors.New("it would permit everything")

// check refuses a permit that forgot its conditions.
func (r Rule) check() error {
	if r.Verdict == firewall.Block {
		return nil
	}
	if r.Program == "" && !r.Loopback && !r.Address.IsValid() && r.LocalPort == 0 && r.RemotePort == 0 && r.ICMPType == 0 {
		return fmt.Errorf("rule %q: %w", r.Name, errPermitsAll)
	}
	return nil
}

// ID is a rule's key in the filtering platform, in the order in which a GUID
// is written.
type ID [16]byte

// provider, in the order in which it is written.
var provider = ID{0x5a, 0x11, 0xf0, 0xb7, 0x7d, 0x0c, 0x4c, 0x0e, 0x9c, 0x53, 0x2f, 0x6f, 0x1d, 0x8e, 0x4a, 0x01}

// id is the same for rules that say the same (a UUID of version 5, RFC 9562),
// so that a rule that is in force already is known by its key.
func (r Rule) id() (id ID) {
	sum := sha1.Sum(append(provider[:], strings.ToLower(r.String())...))
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// overrides are the engine's permits while it runs. They alone have no
// conditions, and are never persistent.
var overrides = [...]Rule{
	{Name: "the engine runs and decides", Layer: ConnectV4, Weight: Running, Verdict: firewall.Allow},
	{Name: "the engine runs and decides", Layer: ConnectV6, Weight: Running, Verdict: firewall.Allow},
}

// steps are what leads from the rules in force to those wanted. Carried out in
// this order, nothing passes at any
// moment that the wanted rules do not let pass.
type steps struct {
	block  []Rule
	remove []ID
	permit []Rule
}

// stepsTo finds the steps; a rule that is in force already takes none.
func stepsTo(wanted []Rule, inForce []ID) (s steps, err error) {
	var keep []ID
	for _, r := range wanted {
		if err := r.check(); err != nil {
			return steps{}, err
		}
		id := r.id()
		known := slices.Contains(inForce, id) || slices.Contains(keep, id)
		keep = append(keep, id)
		switch {
		case known:
		case r.Verdict == firewall.Allow:
			s.permit = append(s.permit, r)
		default:
			s.block = append(s.block, r)
		}
	}
	for _, id := range inForce {
		if !slices.Contains(keep, id) {
			s.remove = append(s.remove, id)
		}
	}
	return s, nil
}
