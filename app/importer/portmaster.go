package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sallyport.dev/sallyport/firewall"
)

// masterExport is what counts of an export of Portmaster.
type masterExport struct {
	Type         string              `json:"type" yaml:"type"`
	Name         string              `json:"name" yaml:"name"`
	Fingerprints []masterFingerprint `json:"fingerprints" yaml:"fingerprints"`
	Config       map[string]any      `json:"config" yaml:"config"`
}

// masterFingerprint is a way in which a profile knows a program.
type masterFingerprint struct {
	Type      string `json:"type" yaml:"type"`
	Operation string `json:"operation" yaml:"operation"`
	Value     string `json:"value" yaml:"value"`
}

// The settings of a profile that decide about connections.
const (
	masterOutgoing = "filter/endpoints"
	masterIncoming = "filter/serviceEndpoints"
	masterDefault  = "filter/defaultAction"
	masterLists    = "filter/lists"
	masterInbound  = "filter/blockInbound"
	masterLocal    = "filter/blockLocal"
)

// masterScopes block before all rules what cannot be said here.
var masterScopes = []string{"filter/blockInternet", "filter/blockLAN", "filter/blockP2P"}

// masterGuards block, unless they are switched off, direct use of public DNS
// resolvers and names that look like those of malware.
var masterGuards = []string{"filter/preventBypassing", "filter/domainHeuristics"}

func readPortmaster(text []byte) (r Result, err error) {
	var export masterExport
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		err = json.Unmarshal(text, &export)
	} else {
		err = yaml.Unmarshal(text, &export)
	}
	if err != nil {
		return r, fmt.Errorf("no export of Portmaster: %w", err)
	}
	settings := map[string]any{}
	if err := flatten(settings, "", export.Config, 0); err != nil {
		return r, err
	}
	var programs []string
	switch export.Type {
	case "profile":
		if len(export.Fingerprints) == 0 {
			return r, errors.New("no profile of Portmaster: it has no fingerprints")
		}
		for _, f := range export.Fingerprints {
			if err := f.check(); err != nil {
				r.leave("fingerprints", f.Type+" "+f.Operation+" "+f.Value, err.Error())
				continue
			}
			programs = append(programs, f.Value)
		}
	case "settings":
		programs, export.Name = []string{firewall.AnyProgram}, "all programs"
	default:
		return r, fmt.Errorf("no profile of Portmaster: its type is %.40q: want profile, or settings", export.Type)
	}
	p := masterProfile{result: &r, settings: settings, note: note("Portmaster", export.Name)}
	p.read(export.Type == "settings")
	var candidates []candidate
	for _, program := range programs {
		for _, c := range p.candidates {
			c.rule.Program = program
			if err := validate(c.rule); err != nil {
				r.leave(c.where, c.what, err.Error())
				continue
			}
			if candidates = append(candidates, c); len(candidates) > maxRules {
				return Result{}, errTooMany
			}
		}
	}
	return r, r.inOrder(candidates)
}

func (f masterFingerprint) check() error {
	switch {
	case f.Type != "path" || f.Operation != "equals":
		return errors.New("programs can be named by their whole path only here")
	case !strings.HasPrefix(f.Value, "/") && !strings.Contains(f.Value, `:\`):
		return fmt.Errorf("%q is no path of a program", f.Value)
	}
	return nil
}

// flatten names settings by their whole path.
func flatten(into map[string]any, prefix string, from map[string]any, depth int) error {
	if depth > 8 {
		return errors.New("no export of Portmaster: its settings are too deep")
	}
	for key, value := range from {
		if inner, ok := value.(map[string]any); ok {
			if err := flatten(into, prefix+key+"/", inner, depth+1); err != nil {
				return err
			}
			continue
		}
		into[prefix+key] = value
	}
	return nil
}

// masterProfile becomes rules that still lack their program.
type masterProfile struct {
	result     *Result
	settings   map[string]any
	note       string
	candidates []candidate
	hidden     []firewall.Rule // what is blocked there and cannot be said here
	rank       int
}

// read reads the settings in the order in which they decide.
func (p *masterProfile) read(global bool) {
	known := append([]string{masterOutgoing, masterIncoming, masterDefault, masterLists, masterInbound, masterLocal}, masterGuards...)
	for _, name := range masterScopes {
		known = append(known, name)
		if isOn(p.settings[name]) {
			p.leave(name, "on", "it cannot be said here, and so neither what is allowed beside it")
			p.hide(firewall.Rule{})
			p.hide(firewall.Rule{Direction: firewall.In})
		}
	}
	if value, said := p.settings[masterInbound]; isOn(value) {
		p.add(masterInbound, "on", firewall.Rule{Direction: firewall.In})
	} else if !said {
		p.hide(firewall.Rule{Direction: firewall.In})
	}
	if isOn(p.settings[masterLocal]) {
		for _, direction := range []firewall.Direction{firewall.Out, firewall.In} {
			for _, r := range thisDevice(firewall.Rule{Direction: direction}) {
				p.add(masterLocal, "on", r)
			}
		}
	}
	p.entries(masterOutgoing, firewall.Out)
	p.entries(masterIncoming, firewall.In)
	if lists, ok := p.settings[masterLists]; ok && !isEmptyList(lists) {
		p.leave(masterLists, fmt.Sprint(lists), "lists of others cannot be used here; what they block is decided by the other rules")
	}
	p.defaultAction(global)
	for _, name := range masterGuards {
		if value, said := p.settings[name]; p.allows() && (!said || isOn(value)) {
			p.leave(name, "on", "what Portmaster blocks by it before all rules is decided by the rules here")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.settings)) {
		if strings.HasPrefix(name, "filter/") && !slices.Contains(known, name) {
			p.leave(name, fmt.Sprint(p.settings[name]), "the setting has no counterpart here")
		}
	}
}

// allows tells whether anything outgoing is allowed.
func (p *masterProfile) allows() bool {
	return slices.ContainsFunc(p.candidates, func(c candidate) bool {
		return c.rule.Verdict == firewall.Allow && c.rule.Direction == firewall.Out
	})
}

func (p *masterProfile) leave(where, what, why string) { p.result.leave(where, what, why) }

// hide notes that something like r is blocked there.
func (p *masterProfile) hide(r firewall.Rule) {
	r.Program = firewall.AnyProgram
	p.hidden = append(p.hidden, r)
}

// add adds a rule, unless it allows what is blocked there and not here.
func (p *masterProfile) add(where, what string, r firewall.Rule) {
	r.Program, r.Note = firewall.AnyProgram, p.note
	for _, h := range p.hidden {
		if _, meet := common(r, h); meet && r.Verdict == firewall.Allow {
			why := "before it comes what blocks a part of it and cannot be said here"
			if _, said := p.settings[masterInbound]; r.Direction == firewall.In && !said {
				why = masterInbound + " is not in the file, and blocks what comes in unless it is switched off"
			}
			p.leave(where, what, why)
			return
		}
	}
	p.candidates = append(p.candidates, candidate{r, where, what, p.rank})
}

// entries reads a list of which the first entry that matches decides.
func (p *masterProfile) entries(setting string, direction firewall.Direction) {
	value, ok := p.settings[setting]
	if !ok {
		return
	}
	list, ok := value.([]any)
	if !ok {
		p.leave(setting, fmt.Sprint(value), "it is no list")
		p.hide(firewall.Rule{Direction: direction})
		return
	}
	for i, one := range list {
		p.rank++
		where, text := setting+" "+strconv.Itoa(i+1), fmt.Sprint(one)
		base, rules, err := masterEntry(text, direction)
		if err != nil {
			p.leave(where, text, err.Error())
			if base.Verdict != firewall.Allow {
				p.hide(base)
			}
			continue
		}
		if base.Verdict == firewall.Block && rules[0].Host != "" {
			p.leave(where, text, "Portmaster also blocks other names that lead to this one (CNAME); here the name that was asked for counts")
		}
		for _, r := range rules {
			p.add(where, text, r)
		}
	}
}

// defaultAction is what happens to a program's connections that no entry names.
func (p *masterProfile) defaultAction(global bool) {
	action, ok := p.settings[masterDefault]
	if !ok {
		return
	}
	p.rank++
	out := firewall.Rule{}
	switch {
	case global:
		p.leave(masterDefault, fmt.Sprint(action), "what happens to unknown programs is the mode here: see sallyport mode")
		return
	case action == "ask":
		out.Verdict = firewall.Ask
	case action == "permit":
		if lists, ok := p.settings[masterLists]; !ok || !isEmptyList(lists) {
			p.leave(masterDefault, "permit", "Portmaster's lists of others decide before it and cannot be used here: allow the program by a rule, if it may do all")
			return
		}
		out.Verdict = firewall.Allow
		p.add(masterDefault, "permit", out)
		p.leave(masterDefault, "permit", "for what the program connects to: whether it may be connected to, Portmaster's settings for all programs decide")
		return
	case action != "block":
		p.leave(masterDefault, fmt.Sprint(action), "the action is not known")
		return
	}
	in := out
	in.Direction = firewall.In
	p.add(masterDefault, fmt.Sprint(action), out)
	p.add(masterDefault, fmt.Sprint(action), in)
}

// isOn reads a switch; older versions have a number for it.
func isOn(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	}
	return fmt.Sprint(v) != "0"
}

func isEmptyList(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) == 0
}

// thisDevice limits a rule to what Portmaster calls Localhost.
func thisDevice(r firewall.Rule) (out []firewall.Rule) {
	for _, s := range []string{"127.0.0.0/8", "::1"} {
		list, _ := prefixes(s)
		r.Remote = list[0]
		out = append(out, r)
	}
	return out
}
