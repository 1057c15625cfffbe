package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"sallyport.dev/sallyport/firewall"
)

// snitchFile is a file of OpenSnitch's folder: one rule.
type snitchFile struct {
	name string
	text []byte
}

// snitchRule is what counts of a rule of OpenSnitch.
type snitchRule struct {
	Name       string          `json:"name"`
	Enabled    bool            `json:"enabled"`
	Precedence bool            `json:"precedence"`
	Action     string          `json:"action"`
	Duration   string          `json:"duration"`
	Operator   *snitchOperator `json:"operator"`

	file string
}

// snitchOperator is a condition, or a list of conditions that are all met.
type snitchOperator struct {
	Type    string `json:"type"`
	Operand string `json:"operand"`
	Data    string `json:"data"`
	// Sensitive is whether capital and small letters are different.
	Sensitive bool             `json:"sensitive"`
	List      []snitchOperator `json:"list"`
}

// folds tells whether the rule blocks paths that differ in case only, too.
func (s *snitchRule) folds() bool {
	is := func(o snitchOperator) bool { return o.Operand == "process.path" && !o.Sensitive }
	return s.Enabled && s.Action != "allow" && (is(*s.Operator) || slices.ContainsFunc(s.Operator.List, is))
}

func readOpenSnitch(files []snitchFile) (r Result, err error) {
	rules := make([]snitchRule, len(files))
	for i, f := range files {
		if err := json.Unmarshal(f.text, &rules[i]); err != nil {
			return Result{}, fmt.Errorf("%s: no rule of OpenSnitch: %w", f.name, err)
		}
		if rules[i].Operator == nil || rules[i].Action == "" {
			return Result{}, fmt.Errorf("%s: no rule of OpenSnitch: it has no operator or no action", f.name)
		}
		rules[i].file = f.name
	}
	// There the rules are tried in the order of their names: the first that
	// blocks or has precedence decides, else the last that allows.
	slices.SortStableFunc(rules, func(a, b snitchRule) int { return cmp.Compare(a.Name, b.Name) })
	var candidates []candidate
	folds := false
	for i, s := range rules {
		ours, err := s.rules()
		if err != nil {
			why := err.Error()
			if s.Enabled && s.Action != "allow" {
				why += "; what it blocks is decided by the other rules here"
			}
			r.leave(s.file, s.Action+": "+s.Name, why)
			continue
		}
		folds = folds || s.folds()
		rank := i
		if s.Action == "allow" && !s.Precedence {
			rank += len(rules)
		}
		for _, rule := range ours {
			candidates = append(candidates, candidate{rule, s.file, s.Name, rank})
		}
	}
	if folds {
		r.leave("all files", "blocked programs", "OpenSnitch also blocks paths that differ in capital and small letters only; here they are other programs, which are asked about")
	}
	return r, r.inOrder(candidates)
}

// rules are the rules of ours that mean the same.
func (s *snitchRule) rules() ([]firewall.Rule, error) {
	base := firewall.Rule{Program: firewall.AnyProgram, Disabled: !s.Enabled, Note: note("OpenSnitch", s.Name)}
	switch s.Action {
	case "allow":
		base.Verdict = firewall.Allow
	case "deny", "reject":
	default:
		return nil, fmt.Errorf("the action %q is not known", s.Action)
	}
	if s.Duration != "always" {
		return nil, fmt.Errorf("it lasts %q, and the file does not say when that began", s.Duration)
	}
	conditions := []snitchOperator{*s.Operator}
	if s.Operator.Type == "list" {
		conditions = s.Operator.List
		if len(conditions) == 0 && s.Operator.Data != "" {
			if err := json.Unmarshal([]byte(s.Operator.Data), &conditions); err != nil {
				return nil, errors.New("its list of conditions cannot be read")
			}
		}
		if len(conditions) == 0 {
			return nil, errors.New("its list of conditions is empty")
		}
	}
	rules, v6 := []firewall.Rule{base}, netip.Prefix{}
	for _, c := range conditions {
		more, family, err := c.apply(rules)
		if err != nil {
			return nil, err
		}
		rules = more
		if family.IsValid() && !narrow(&v6, family) {
			return nil, errNever
		}
	}
	for i := range rules {
		if v6.IsValid() && !within(&rules[i], v6) {
			return nil, errNever
		}
		if err := validate(rules[i]); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

var errNever = errors.New("its conditions are never met together")

// apply adds a condition to the rules, which may become more by that. family
// is the kind of addresses that a protocol's name stands for.
func (o *snitchOperator) apply(rules []firewall.Rule) (out []firewall.Rule, family netip.Prefix, err error) {
	if o.Operand == "true" {
		return rules, family, nil
	}
	if o.Type != "simple" && !(o.Type == "network" && o.Operand == "dest.network") && !(o.Type == "range" && o.Operand == "dest.port") {
		return nil, family, fmt.Errorf("a condition of the type %q on %s cannot be said here (%s)", o.Type, o.Operand, o.Data)
	}
	var values []func(*firewall.Rule) bool // each is a way to meet the condition
	switch o.Operand {
	case "process.path":
		if !strings.HasPrefix(o.Data, "/") {
			return nil, family, fmt.Errorf("%q is no path of a program", o.Data)
		}
		values = append(values, func(r *firewall.Rule) bool {
			same := r.Program == firewall.AnyProgram || r.Program == o.Data
			r.Program = o.Data
			return same
		})
	case "dest.host":
		host, err := hostName(o.Data)
		if err != nil {
			return nil, family, err
		}
		values = append(values, func(r *firewall.Rule) bool { return narrow(&r.Host, host) })
	case "dest.port", "source.port":
		list, err := ports(o.Data)
		if o.Type == "simple" && len(list) > 1 {
			err = fmt.Errorf("%q is no port", o.Data)
		}
		if err != nil {
			return nil, family, err
		}
		for _, p := range list {
			values = append(values, func(r *firewall.Rule) bool {
				if o.Operand == "source.port" {
					return narrow(&r.LocalPort, p)
				}
				return narrow(&r.Port, p)
			})
		}
	case "dest.ip", "dest.network":
		p, err := snitchRemote(o)
		if err != nil {
			return nil, family, err
		}
		values = append(values, func(r *firewall.Rule) bool {
			if !r.Remote.IsValid() || r.Remote.Overlaps(p) && r.Remote.Bits() < p.Bits() {
				r.Remote = p
			}
			return r.Remote.Overlaps(p)
		})
	case "protocol":
		name, six := strings.CutSuffix(strings.ToLower(o.Data), "6")
		var protocol firewall.Protocol
		if err := protocol.UnmarshalText([]byte(name)); err != nil || !slices.Contains([]string{"tcp", "udp", "udplite"}, name) {
			return nil, family, fmt.Errorf("the protocol %q cannot be said here", o.Data)
		}
		if family = everyIPv4; six {
			family = everyIPv6
		}
		values = append(values, func(r *firewall.Rule) bool { return narrow(&r.Protocol, protocol) })
	default:
		return nil, family, fmt.Errorf("a condition on %s cannot be said here", o.Operand)
	}
	for _, r := range rules {
		for _, set := range values {
			one := r
			if !set(&one) {
				return nil, family, errNever
			}
			if out = append(out, one); len(out) > maxRules {
				return nil, family, errTooMany
			}
		}
	}
	return out, family, nil
}

// snitchRemote reads an address, or a network in the form of CIDR.
func snitchRemote(o *snitchOperator) (netip.Prefix, error) {
	text := o.Data
	if o.Operand == "dest.network" {
		_, n, err := net.ParseCIDR(text)
		if err != nil || o.Type != "network" {
			return netip.Prefix{}, fmt.Errorf("the network %q cannot be said here", text)
		}
		text = n.String()
	} else if _, err := netip.ParseAddr(text); err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address", text)
	}
	list, err := prefixes(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return list[0], nil
}

// validate says why the rule cannot be one of ours.
func validate(r firewall.Rule) error {
	r.ID = "r"
	return r.Validate()
}
