package persistence

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// ruleText is a rule as it is stored and exported.
type ruleText struct {
	ID           string             `json:"id"`
	Program      string             `json:"program,omitempty"`
	ProgramBytes []byte             `json:"program_base64,omitempty"` // a path that is not valid UTF-8
	Direction    firewall.Direction `json:"direction"`
	Protocol     firewall.Protocol  `json:"protocol"`
	Remote       string             `json:"remote"` // an address or prefix
	Place        string             `json:"place,omitempty"`
	Zone         firewall.Zone      `json:"zone,omitempty"`
	Host         string             `json:"host"`
	Port         uint16             `json:"port"`
	LocalPort    uint16             `json:"local_port,omitempty"`
	StartedBy    string             `json:"started_by,omitempty"`
	PortTo       uint16             `json:"port_to,omitempty"`
	ICMPType     firewall.ICMPType  `json:"icmp_type,omitempty"`
	User         string             `json:"user,omitempty"`
	StarterBytes []byte             `json:"started_by_base64,omitempty"` // a path that is not valid UTF-8
	Verdict      firewall.Verdict   `json:"verdict"`
	Until        string             `json:"until"` // see untilText
	Enabled      bool               `json:"enabled"`
	Builtin      bool               `json:"builtin,omitempty"`
	Proposed     bool               `json:"proposed,omitempty"`
	Learned      bool               `json:"learned,omitempty"`
	PassLock     bool               `json:"pass_lock,omitempty"`
	Note         string             `json:"note"`
	By           firewall.Way       `json:"by,omitempty"`
	ByUser       string             `json:"by_user,omitempty"` // who made it: a UID or a SID
	Created      time.Time          `json:"created,omitzero"`
	LastUsed     time.Time          `json:"last_used,omitzero"`
	Hits         uint64             `json:"hits,omitempty"`
}

var places = map[firewall.Place]string{firewall.AnyPlace: "", firewall.Loopback: "loopback", firewall.Resolver: "resolvers"}

func textOf(r firewall.Rule) ruleText {
	t := ruleText{ID: string(r.ID), Program: r.Program, Direction: r.Direction, Protocol: r.Protocol, Place: places[r.Place], Zone: r.Zone,
		Host: r.Host, Port: r.Port, LocalPort: r.LocalPort, Verdict: r.Verdict, Until: untilText(r.Until), Enabled: !r.Disabled,
		Learned: r.Learned, PassLock: r.PassLock, PortTo: r.PortTo, ICMPType: r.ICMPType, User: r.User,
		Builtin: r.Builtin, Proposed: r.Proposed, Note: r.Note, By: r.By.Way, ByUser: r.By.User, Created: r.Created.UTC(), LastUsed: r.LastUsed.UTC(), Hits: r.Hits}
	if !utf8.ValidString(r.Program) {
		t.Program, t.ProgramBytes = "", []byte(r.Program)
	}
	if t.StartedBy = r.StartedBy; !utf8.ValidString(r.StartedBy) {
		t.StartedBy, t.StarterBytes = "", []byte(r.StartedBy)
	}
	if r.Remote.IsValid() {
		t.Remote = r.Remote.String()
	}
	return t
}

// untilText writes always, restart:START, exit:PID:TIME, a time, or a time and
// what the other clock says then: TIME@START+DURATION.
func untilText(e firewall.Expiry) string {
	switch {
	case e.Exit:
		return "exit:" + strconv.Itoa(e.PID) + ":" + e.Started.UTC().Format(time.RFC3339Nano)
	case e.Restart():
		return "restart:" + e.Boot
	case e.At.IsZero():
		return "always"
	case e.Uptime == 0:
		return e.At.UTC().Format(time.RFC3339Nano)
	}
	return e.At.UTC().Format(time.RFC3339Nano) + "@" + e.Boot + "+" + e.Uptime.String()
}

func (t ruleText) rule() (firewall.Rule, error) {
	r := firewall.Rule{ID: firewall.RuleID(t.ID), Program: t.Program, Direction: t.Direction, Protocol: t.Protocol, Zone: t.Zone,
		Host: t.Host, Port: t.Port, LocalPort: t.LocalPort, Verdict: t.Verdict, Disabled: !t.Enabled, Builtin: t.Builtin,
		Learned: t.Learned, PassLock: t.PassLock, PortTo: t.PortTo, ICMPType: t.ICMPType, User: t.User,
		Proposed: t.Proposed, Note: t.Note, By: firewall.Author{Way: t.By, User: t.ByUser}, Created: t.Created, LastUsed: t.LastUsed, Hits: t.Hits}
	if len(t.ProgramBytes) > 0 {
		if t.Program != "" {
			return r, errors.New("program and program_base64 exclude each other")
		}
		r.Program = string(t.ProgramBytes)
	}
	if r.StartedBy = t.StartedBy; len(t.StarterBytes) > 0 {
		if t.StartedBy != "" {
			return r, errors.New("started_by and started_by_base64 exclude each other")
		}
		r.StartedBy = string(t.StarterBytes)
	}
	known := false
	for place, name := range places {
		if name == t.Place {
			r.Place, known = place, true
		}
	}
	if !known {
		return r, fmt.Errorf("place %q: want loopback or resolvers", t.Place)
	}
	var err error
	if r.Remote, err = parseRemote(t.Remote); err != nil {
		return r, err
	}
	if r.Until, err = parseUntil(t.Until); err != nil {
		return r, err
	}
	return r, valid(r)
}

func parseRemote(s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("remote %q: want an address such as 192.0.2.1 or a prefix such as 192.0.2.0/24", s)
	}
	return p, nil
}

func parseUntil(s string) (e firewall.Expiry, err error) {
	if s == "" || s == "always" {
		return e, nil
	}
	if rest, ok := strings.CutPrefix(s, "exit:"); ok {
		pid, started, _ := strings.Cut(rest, ":")
		e.Exit = true
		if e.PID, err = strconv.Atoi(pid); err == nil && e.PID > 0 {
			if e.Started, err = time.Parse(time.RFC3339Nano, started); err == nil && isDate(e.Started) {
				return e, nil
			}
		}
	} else if s == "restart" {
		return firewall.Expiry{Boot: firewall.ThisBoot}, nil
	} else if boot, ok := strings.CutPrefix(s, "restart:"); ok && boot != "" {
		return firewall.Expiry{Boot: boot}, nil
	} else {
		at, rest, two := strings.Cut(s, "@")
		e.At, err = time.Parse(time.RFC3339Nano, at)
		if dated := err == nil && isDate(e.At); dated && !two {
			return e, nil
		} else if dated {
			boot, uptime, _ := strings.Cut(rest, "+")
			if e.Uptime, err = time.ParseDuration(uptime); err == nil && !e.At.IsZero() && boot != "" {
				e.Boot = boot
				return e, nil
			}
		}
	}
	return firewall.Expiry{}, fmt.Errorf("until %q: want always, restart, a time such as 2026-01-31T12:00:00Z, or exit:PID:TIME", s)
}

// decodeRule reads a stored rule; the key is its ID.
func decodeRule(key, value []byte) (firewall.Rule, error) {
	var t ruleText
	if err := unseal(key, value, &t); err != nil {
		return firewall.Rule{}, err
	}
	if t.ID != string(key) {
		return firewall.Rule{}, errors.New("it has another rule's name")
	}
	return t.rule()
}

// usage is how often a rule decided, kept apart from the rule since it changes
// without anybody's decision.
type usage struct {
	Hits uint64    `json:"hits"`
	Last time.Time `json:"last,omitzero"`
}

// Rules returns all rules, oldest first, with their hits and last use.
func (s *Store) Rules() (rules []firewall.Rule, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		rules, err = readRules(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	return rules, nil
}

// Rule returns the rule with the ID, its hits and last use; ok is false if
// there is none.
func (s *Store) Rule(id firewall.RuleID) (r firewall.Rule, ok bool, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		if v := tx.Bucket(rulesBucket).Get([]byte(id)); v != nil {
			ok = true
			r, err = readRule(tx.Bucket(usedBucket), []byte(id), v)
		}
		return err
	})
	if err != nil {
		return r, false, fmt.Errorf("read rules: %w", err)
	}
	return r, ok, nil
}

// readRule reads a stored rule with its use.
func readRule(used *bbolt.Bucket, k, v []byte) (firewall.Rule, error) {
	r, err := decodeRule(k, v)
	if err != nil {
		return r, fmt.Errorf("rule %q: %w", k, err)
	}
	var u usage
	if err := take(used, k, &u); err != nil {
		return r, fmt.Errorf("hits of rule %q: %w", k, err)
	}
	r.Hits, r.LastUsed = u.Hits, u.Last
	return r, nil
}

func readRules(tx *bbolt.Tx) (rules []firewall.Rule, err error) {
	used := tx.Bucket(usedBucket)
	err = tx.Bucket(rulesBucket).ForEach(func(k, v []byte) error {
		r, err := readRule(used, k, v)
		rules = append(rules, r)
		return err
	})
	slices.SortFunc(rules, func(a, b firewall.Rule) int {
		return cmp.Or(a.Created.Compare(b.Created), len(a.ID)-len(b.ID), cmp.Compare(a.ID, b.ID))
	})
	return rules, err
}

// PutRules adds or replaces rules (by ID) and removes others, in one
// transaction that is on disk when it returns: all or nothing. Rules without
// an ID get one that was never used before, and without a Created the present
// time; it returns the rules put as they are stored. Removing what does not
// exist is no error.
func (s *Store) PutRules(put []firewall.Rule, remove []firewall.RuleID) ([]firewall.Rule, error) {
	return s.Update(Update{Put: put, Remove: remove})
}

// Update is several changes that become true together.
type Update struct {
	Put      []firewall.Rule   // as in PutRules
	Remove   []firewall.RuleID // as in PutRules
	Settings map[string]string // as in SetSetting
	Unset    []string          // settings that become their default again; "mode": nobody has chosen one
	Mode     *firewall.Mode    // as in SetMode
	Unsee    []string          // programs to take from those seen
	Timed    *TimedMode        // zero: none any more; a Mode ends it, too
	Unlearn  []Learned         // what to take from what was learned: To, and More

	Identities []firewall.Identity // as in PutIdentities

	Networks []Network // as in PutNetworks
	Forget   []string  // networks, by ID
}

// Update makes all changes of u in one durable transaction, or none. It
// returns the rules put as they are stored.
func (s *Store) Update(u Update) ([]firewall.Rule, error) { return s.updateIn(s.untold, u) }

func (s *Store) updateIn(in transaction, u Update) (stored []firewall.Rule, err error) {
	err = in(func(tx *bbolt.Tx, t *trail) error {
		stored, err = u.apply(tx, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store the change: %w", err)
	}
	s.touch()
	return stored, nil
}

// touch says that the newest backup may be out of date.
func (s *Store) touch() {
	select {
	case s.stale <- struct{}{}:
	default:
	}
}

func (u Update) apply(tx *bbolt.Tx, trail *trail) ([]firewall.Rule, error) {
	rules, used := tx.Bucket(rulesBucket), tx.Bucket(usedBucket)
	var t tally
	if err := take(tx.Bucket(metaBucket), tallyKey, &t); err != nil {
		return nil, err
	}
	count := func(key, value []byte, sign uint64) {
		if value != nil {
			t.Count += sign
			t.Sum += sign * uint64(checksum(key, value))
		}
	}
	const plus, minus = 1, ^uint64(0)
	for _, id := range u.Remove {
		if id == "" {
			continue
		}
		trail.changes(rulesBucket, []byte(id), rules.Get([]byte(id)), nil)
		trail.changes(usedBucket, []byte(id), used.Get([]byte(id)), nil)
		count([]byte(id), rules.Get([]byte(id)), minus)
		if err := errors.Join(rules.Delete([]byte(id)), used.Delete([]byte(id))); err != nil {
			return nil, err
		}
	}
	stored := slices.Clone(u.Put)
	for i := range stored {
		r := &stored[i]
		if err := giveID(tx, r); err != nil {
			return nil, err
		}
		if r.Created.IsZero() {
			r.Created = time.Now().UTC().Truncate(time.Microsecond)
		}
		if err := valid(*r); err != nil {
			return nil, err
		}
		text := textOf(*r)
		text.Hits, text.LastUsed = 0, time.Time{}
		key := []byte(r.ID)
		value, err := seal(key, text)
		if err != nil {
			return nil, err
		}
		trail.changes(rulesBucket, key, rules.Get(key), value)
		count(key, rules.Get(key), minus)
		count(key, value, plus)
		if err := rules.Put(key, value); err != nil {
			return nil, err
		}
		if used.Get(key) == nil && r.Hits > 0 {
			if err := put(used, key, usage{r.Hits, r.LastUsed}); err != nil {
				return nil, err
			}
		}
	}
	if err := put(tx.Bucket(metaBucket), tallyKey, t); err != nil {
		return nil, err
	}
	if err := u.applySettings(tx, trail); err != nil {
		return nil, err
	}
	if err := putIdentities(tx, u.Identities, trail); err != nil {
		return nil, err
	}
	if err := unlearn(tx, u.Unlearn, trail); err != nil {
		return nil, err
	}
	if err := changeNetworks(tx, u.Networks, u.Forget, trail); err != nil {
		return nil, err
	}
	return stored, unsee(tx, u.Unsee, trail)
}
