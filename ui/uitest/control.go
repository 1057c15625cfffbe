// Package uitest has a [ui.Control] without an engine, for tests of the
// windows, pictures of them, and benchmarks. It keeps rules and settings in
// memory and makes up as many log lines as are wanted.
package uitest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// Control implements [ui.Control].
type Control struct {
	mu       sync.Mutex
	status   ui.Status
	rules    []ui.Rule
	prompts  []ui.Prompt
	settings []ui.Setting
	answers  []ui.Answer
	made     int          // log lines made up on demand
	added    []ui.LogLine // newer than those, oldest first
	nextRule int
	gone     bool
	change   chan struct{} // closed and made anew at each change
	sent     int           // counts changes of rules and settings
}

// New makes a control with a mode, built-in rules, settings and a number of
// made-up log lines.
func New(mode firewall.Mode, lines int) *Control {
	return &Control{
		status: ui.Status{
			Version: "1.0", Running: true, Mode: mode, Backend: "memory", Enforcing: true,
			Fail: "closed", Allowed: 18204, Blocked: 541, Started: Start,
		},
		rules: []ui.Rule{
			{ID: "builtin-loopback", Program: "*", Remote: "loopback", Verdict: firewall.Allow, Until: "always", Enabled: true, Builtin: true, Note: "this computer talking to itself", Created: Start},
			{ID: "builtin-resolvers", Program: "*", Protocol: firewall.UDP, Remote: "resolvers", Port: 53, Verdict: firewall.Allow, Until: "always", Enabled: true, Builtin: true, Note: "names are looked up", Created: Start},
		},
		settings: []ui.Setting{
			{Name: "patience", Value: "30s", Default: "30s", Help: "how long a connection waits for an answer"},
			{Name: "fail", Value: "closed", Default: "closed", Help: "what happens to undecided connections while no engine runs", Choices: []string{"closed", "open"}},
			{Name: "unknown", Value: "block", Default: "block", Help: "what happens to unknown programs when asking is switched off", Choices: []string{"block", "allow"}},
			{Name: "log-max-age", Value: "2160h", Default: "2160h", Help: "how long lines of the activity log are kept"},
			{Name: "notifications", Value: "on", Default: "on", Help: "a desktop notification with each question", Choices: []string{"on", "off"}},
		},
		made:   lines,
		change: make(chan struct{}),
	}
}

// Start is when the made-up engine started.
var Start = time.Date(2026, 3, 14, 8, 0, 0, 0, time.UTC)

// changed wakes all watchers; c.mu is held.
func (c *Control) changed() {
	close(c.change)
	c.change = make(chan struct{})
}

// Update changes the status.
func (c *Control) Update(f func(*ui.Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.status)
	c.changed()
}

// Ask replaces the open prompts.
func (c *Control) Ask(ps ...ui.Prompt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prompts = slices.Clone(ps)
	c.status.Prompts = len(ps)
	c.changed()
}

// Add appends lines to the log; their IDs are given here.
func (c *Control) Add(lines ...ui.LogLine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		l.ID = strconv.Itoa(c.made + len(c.added) + 1)
		c.added = append(c.added, l)
	}
	c.changed()
}

// Go makes the engine gone, or brings it back.
func (c *Control) Go(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = away
	c.changed()
}

// Answers are the answers given so far.
func (c *Control) Answers() []ui.Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.answers)
}

// Rule returns a rule, or false.
func (c *Control) Rule(id string) (ui.Rule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.rules {
		if r.ID == id {
			return r, true
		}
	}
	return ui.Rule{}, false
}

// Status implements [ui.Control].
func (c *Control) Status(context.Context) (ui.Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statusNow(), c.reachable()
}

func (c *Control) statusNow() ui.Status {
	s := c.status
	s.Rules = len(c.rules)
	s.Proposed = 0
	for _, r := range c.rules {
		if r.Proposed {
			s.Proposed++
		}
	}
	return s
}

func (c *Control) reachable() error {
	if c.gone {
		return ui.ErrGone
	}
	return nil
}

// SetMode implements [ui.Control].
func (c *Control) SetMode(_ context.Context, m firewall.Mode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	c.status.Mode, c.status.FirstRun = m, false
	c.changed()
	return nil
}

// Prompts implements [ui.Control].
func (c *Control) Prompts(context.Context) ([]ui.Prompt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.prompts), c.reachable()
}

// Answer implements [ui.Control].
func (c *Control) Answer(_ context.Context, a ui.Answer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	i := slices.IndexFunc(c.prompts, func(p ui.Prompt) bool { return p.ID == a.ID })
	if i < 0 {
		return fmt.Errorf("no such question: it was answered or has ended: %w", ui.ErrNotFound)
	}
	c.prompts = slices.Delete(slices.Clone(c.prompts), i, i+1)
	c.status.Prompts = len(c.prompts)
	c.answers = append(c.answers, a)
	c.changed()
	return nil
}

// Rules implements [ui.Control].
func (c *Control) Rules(context.Context) ([]ui.Rule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.rules), c.reachable()
}

// AddRule implements [ui.Control].
func (c *Control) AddRule(_ context.Context, r ui.Rule) (ui.Rule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.valid(r); err != nil {
		return ui.Rule{}, err
	}
	c.nextRule++
	r.ID = "r" + strconv.Itoa(c.nextRule)
	r.Created = Start
	c.rules = append(c.rules, r)
	c.sent++
	c.changed()
	return r, nil
}

func (c *Control) valid(r ui.Rule) error {
	if err := c.reachable(); err != nil {
		return err
	}
	if r.Program == "" {
		return fmt.Errorf("a rule needs a program: %w", ui.ErrInvalid)
	}
	if r.Port != 0 && !r.Protocol.HasPorts() && r.Protocol != firewall.AnyProtocol {
		return fmt.Errorf("%v has no ports: %w", r.Protocol, ui.ErrInvalid)
	}
	return nil
}

// ChangeRule implements [ui.Control].
func (c *Control) ChangeRule(_ context.Context, r ui.Rule) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.valid(r); err != nil {
		return err
	}
	for i := range c.rules {
		if c.rules[i].ID == r.ID {
			c.rules[i] = r
			c.sent++
			c.changed()
			return nil
		}
	}
	return fmt.Errorf("rule %s: %w", r.ID, ui.ErrNotFound)
}

// RemoveRule implements [ui.Control].
func (c *Control) RemoveRule(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	n := len(c.rules)
	c.rules = slices.DeleteFunc(slices.Clone(c.rules), func(r ui.Rule) bool { return r.ID == id })
	if len(c.rules) == n {
		return fmt.Errorf("rule %s: %w", id, ui.ErrNotFound)
	}
	c.sent++
	c.changed()
	return nil
}

// Confirm implements [ui.Control].
func (c *Control) Confirm(_ context.Context, allow, block []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	var kept []ui.Rule
	for _, r := range c.rules {
		switch {
		case !r.Proposed:
		case slices.Contains(allow, r.ID):
			r.Proposed, r.Verdict = false, firewall.Allow
		case slices.Contains(block, r.ID):
			r.Proposed, r.Verdict = false, firewall.Block
		default:
			continue
		}
		kept = append(kept, r)
	}
	c.rules = kept
	c.sent++
	c.changed()
	return nil
}

// Settings implements [ui.Control].
func (c *Control) Settings(context.Context) ([]ui.Setting, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.settings), c.reachable()
}

// SetSetting implements [ui.Control].
func (c *Control) SetSetting(_ context.Context, name, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachable(); err != nil {
		return err
	}
	for i, s := range c.settings {
		if s.Name != name {
			continue
		}
		if s.Choices != nil && !slices.Contains(s.Choices, value) {
			return fmt.Errorf("%s: %q is none of %v: %w", name, value, s.Choices, ui.ErrInvalid)
		}
		if _, err := time.ParseDuration(value); s.Choices == nil && err != nil {
			return fmt.Errorf("%s: %q is no time such as 30s or 2h: %w", name, value, ui.ErrInvalid)
		}
		c.settings[i].Value = value
		if name == "fail" {
			c.status.Fail = value
		}
		c.sent++
		c.changed()
		return nil
	}
	return fmt.Errorf("setting %s: %w", name, ui.ErrNotFound)
}

// Export implements [ui.Control].
func (c *Control) Export(context.Context) ([]byte, error) { return nil, ui.ErrRefused }

// Import implements [ui.Control].
func (c *Control) Import(context.Context, []byte, bool) (ui.Difference, error) {
	return ui.Difference{}, ui.ErrRefused
}

// Log implements [ui.Control].
func (c *Control) Log(_ context.Context, q ui.LogQuery) ([]ui.LogLine, error) {
	c.mu.Lock()
	made, added, err := c.made, c.added, c.reachable()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	newest := made + len(added)
	if q.Before != "" {
		before, err := strconv.Atoi(q.Before)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", q.Before, ui.ErrInvalid)
		}
		newest = min(newest, before-1)
	}
	var lines []ui.LogLine
	for id := newest; id > 0 && len(lines) < q.Limit; id-- {
		l := Line(id)
		if id > made {
			l = added[id-made-1]
		}
		if q.Matches(l) {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

var examples = []ui.LogLine{
	{Program: "/usr/lib/firefox/firefox", Name: "firefox", PID: 2211, UID: 1000, Protocol: firewall.TCP, Host: "mozilla.cloudflare-dns.com", Remote: "104.16.248.249", Port: 443, Verdict: "allow", Reason: "rule", Rule: "r1"},
	{Program: "/usr/lib/apt/methods/https", Name: "https", PID: 3150, Protocol: firewall.TCP, Host: "deb.debian.org", Remote: "151.101.86.132", Port: 443, Verdict: "allow", Reason: "rule", Rule: "r2"},
	{Program: "/usr/bin/telnet", Name: "telnet", PID: 4020, UID: 1000, Protocol: firewall.TCP, Remote: "185.220.101.4", Port: 23, Verdict: "block", Reason: "rule", Rule: "r3"},
	{Program: "/opt/slack/slack", Name: "slack", PID: 2890, UID: 1000, Protocol: firewall.UDP, Host: "wss-primary.slack.com", Remote: "52.89.90.67", Port: 443, Verdict: "allow", Reason: "answer"},
	{Program: "/opt/updater/bin/updater", Name: "updater", PID: 4821, Protocol: firewall.TCP, Remote: "198.51.100.20", Port: 8080, Verdict: "ask", Reason: "asked"},
	{Program: "/usr/sbin/sshd", Name: "sshd", PID: 611, Protocol: firewall.TCP, Direction: firewall.In, Remote: "203.0.113.77", Port: 51544, Verdict: "allow", Reason: "rule", Rule: "builtin-inbound"},
	{Program: "/opt/updater/bin/updater", Name: "updater", PID: 4821, Protocol: firewall.TCP, Remote: "198.51.100.20", Port: 8080, Verdict: "block", Reason: "unanswered", Count: 3},
	{Program: "/usr/bin/ping", Name: "ping", PID: 5113, UID: 1000, Protocol: firewall.ICMP, Remote: "2001:db8:85a3::8a2e:370:7334", Verdict: "allow", Reason: "mode"},
}

// Line is the made-up log line with an ID.
func Line(id int) ui.LogLine {
	l := examples[(id*5+id/8)%len(examples)]
	if id%97 == 0 {
		l = ui.LogLine{Kind: "change", Program: "/usr/bin/sallyport", Name: "sallyport", PID: 2001, UID: 1000, Reason: "change", Note: "rule r3 was changed from allow to block"}
	} else {
		l.Kind = "flow"
		l.Local = "192.0.2.15:" + strconv.Itoa(32768+id%28000)
		if l.Host == "" && l.Port != 0 && id%3 == 0 {
			a := netip.MustParseAddr("198.51.100.0").As4()
			a[3] = byte(id)
			l.Remote = netip.AddrFrom4(a).String()
		}
		l.Count = max(l.Count, 1)
	}
	l.ID = strconv.Itoa(id)
	l.Time = Start.Add(time.Duration(id) * 863 * time.Millisecond)
	return l
}

// Watch implements [ui.Control].
func (c *Control) Watch(ctx context.Context, on func(ui.Event)) error {
	c.mu.Lock()
	seen, sent := len(c.added), c.sent
	c.mu.Unlock()
	for {
		c.mu.Lock()
		change, err := c.change, c.reachable()
		prompts, status := slices.Clone(c.prompts), c.statusNow()
		lines, rules := slices.Clone(c.added[seen:]), c.sent != sent
		seen, sent = len(c.added), c.sent
		c.mu.Unlock()
		if err != nil {
			return err
		}
		on(ui.Event{Prompts: &prompts})
		on(ui.Event{Status: &status})
		if rules {
			on(ui.Event{Rules: true})
		}
		if len(lines) > 0 {
			on(ui.Event{Log: lines})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-change:
		}
	}
}

// Propose adds rules for programs seen while nothing was asked.
func (c *Control) Propose(programs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range programs {
		c.nextRule++
		c.rules = append(c.rules, ui.Rule{
			ID: "r" + strconv.Itoa(c.nextRule), Program: p, Verdict: firewall.Allow, Until: "always",
			Enabled: true, Proposed: true, Created: Start, Hits: uint64(len(p)),
		})
	}
	c.sent++
	c.changed()
}
