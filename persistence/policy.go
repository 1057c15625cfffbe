package persistence

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"sallyport.dev/sallyport/firewall"
)

// policyFormat is the format of the policy files written. Later versions read
// it too.
const policyFormat = 1

// policyHead begins each policy file, as comments.
const policyHead = "# A policy of Sallyport: its README says what may be in it.\n"

// policyFile is a document as its text has it, in this order.
type policyFile struct {
	Sallyport int               `toml:"sallyport"` // the format
	LastID    uint64            `toml:"last_id,omitempty"`
	Mode      *firewall.Mode    `toml:"mode,omitempty"`
	Settings  map[string]string `toml:"settings,omitempty"`
	Rules     []policyRule      `toml:"rule,omitempty"`
}

// policyRule is a rule as the text has it. What it does not name is as in a
// rule without conditions, which is enabled and lasts always.
type policyRule struct {
	ID           string             `toml:"id,omitempty"`
	Program      string             `toml:"program,omitempty"`
	ProgramBytes policyBytes        `toml:"program_base64,omitempty"` // a path that is not valid UTF-8
	Verdict      firewall.Verdict   `toml:"verdict"`
	Direction    firewall.Direction `toml:"direction,omitempty"`
	Protocol     firewall.Protocol  `toml:"protocol,omitempty"`
	Remote       string             `toml:"remote,omitempty"` // an address or prefix
	Place        string             `toml:"place,omitempty"`  // loopback or resolvers
	Zone         firewall.Zone      `toml:"zone,omitempty"`   // trusted or internet
	Host         string             `toml:"host,omitempty"`
	Port         uint16             `toml:"port,omitempty"`
	PortTo       uint16             `toml:"port_to,omitempty"` // the last of a range that begins with port
	ICMPType     firewall.ICMPType  `toml:"icmp_type,omitempty"`
	LocalPort    uint16             `toml:"local_port,omitempty"`
	StartedBy    string             `toml:"started_by,omitempty"`
	StarterBytes policyBytes        `toml:"started_by_base64,omitempty"` // a path that is not valid UTF-8
	User         string             `toml:"user,omitempty"`
	Until        string             `toml:"until,omitempty"` // see untilText; restart is that of the computer which reads it
	Enabled      *bool              `toml:"enabled,omitempty"`
	Builtin      bool               `toml:"builtin,omitempty"`
	Proposed     bool               `toml:"proposed,omitempty"`
	Learned      bool               `toml:"learned,omitempty"`
	PassLock     bool               `toml:"pass_lock,omitempty"`
	Note         string             `toml:"note,omitempty"`
	Created      time.Time          `toml:"created,omitzero"`
	LastUsed     time.Time          `toml:"last_used,omitzero"`
	Hits         uint64             `toml:"hits,omitempty"`
}

// policyBytes is text in base64.
type policyBytes []byte

func (b policyBytes) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

func (b *policyBytes) UnmarshalText(text []byte) error {
	out, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	if err != nil || len(out) == 0 || utf8.Valid(out) {
		return fmt.Errorf("%q: want a path that is not valid UTF-8, in base64", text)
	}
	*b = out
	return nil
}

func policyOf(r firewall.Rule) policyRule {
	t := textOf(r)
	p := policyRule{ID: t.ID, Program: t.Program, ProgramBytes: t.ProgramBytes, Verdict: t.Verdict, Direction: t.Direction,
		Protocol: t.Protocol, Remote: t.Remote, Place: t.Place, Zone: t.Zone, Host: t.Host, Port: t.Port, LocalPort: t.LocalPort,
		StartedBy: t.StartedBy, StarterBytes: t.StarterBytes, Builtin: t.Builtin, Proposed: t.Proposed, Note: t.Note,
		PortTo: t.PortTo, ICMPType: t.ICMPType, User: t.User, Learned: t.Learned, PassLock: t.PassLock,
		Created: t.Created, LastUsed: t.LastUsed, Hits: t.Hits}
	if r.Remote.IsValid() && r.Remote.IsSingleIP() {
		p.Remote = r.Remote.Addr().String()
	}
	if t.Until != "always" {
		p.Until = t.Until
	}
	if !t.Enabled {
		p.Enabled = &t.Enabled
	}
	return p
}

func (p policyRule) rule() (firewall.Rule, error) {
	t := ruleText{ID: p.ID, Program: p.Program, ProgramBytes: p.ProgramBytes, Verdict: p.Verdict, Direction: p.Direction,
		Protocol: p.Protocol, Remote: p.Remote, Place: p.Place, Zone: p.Zone, Host: p.Host, Port: p.Port, LocalPort: p.LocalPort,
		StartedBy: p.StartedBy, StarterBytes: p.StarterBytes, Until: p.Until, Enabled: p.Enabled == nil || *p.Enabled,
		PortTo: p.PortTo, ICMPType: p.ICMPType, User: p.User, Learned: p.Learned, PassLock: p.PassLock,
		Builtin: p.Builtin, Proposed: p.Proposed, Note: p.Note, Created: p.Created, LastUsed: p.LastUsed, Hits: p.Hits}
	named := t.ID != ""
	if !named {
		t.ID = "new" // the store gives it another
	}
	if p.Zone != firewall.AnyZone && (p.Remote != "" || p.Place != "") {
		return firewall.Rule{}, errors.New("zone excludes remote and place: keep one of them")
	}
	r, err := t.rule()
	if !named {
		r.ID = ""
	}
	return r, err
}

// Encode writes the document as the text of a policy file, which is TOML: the
// format, the mode, the settings that are not the defaults, and the rules.
func (d Document) Encode() ([]byte, error) {
	f := policyFile{Sallyport: policyFormat, LastID: d.LastID, Mode: d.Mode, Settings: map[string]string{}, Rules: make([]policyRule, len(d.Rules))}
	for _, def := range definitions {
		if v, ok := d.Settings[def.Name]; ok {
			f.Settings[def.Name] = v
		}
	}
	for i, r := range d.Rules {
		f.Rules[i] = policyOf(r)
	}
	b := bytes.NewBufferString(policyHead)
	if err := toml.NewEncoder(b).Encode(f); err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	return b.Bytes(), nil
}

// inWords lists words as a person would: "a, b or c".
func inWords(words []string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " or " + words[n]
	}
	return strings.Join(words, "")
}
