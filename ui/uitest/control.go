// Package uitest has a [ui.Control] without an engine, for tests of the
// windows, pictures of them, and benchmarks. It keeps rules and settings in
// memory and makes up as many log lines as are wanted.
package uitest

import (
	"context"
	"fmt"
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
	programs []ui.Identity
	past     []past
	lessons  []ui.Lesson
	made     int          // log lines made up on demand
	added    []ui.LogLine // newer than those, oldest first
	nextRule int
	lost     int // lines added that watchers are not sent
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

// Miss appends lines to the log that watchers are only told to have missed.
func (c *Control) Miss(lines ...ui.LogLine) {
	c.mu.Lock()
	c.lost += len(lines)
	c.mu.Unlock()
	c.Add(lines...)
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
	c.record("mode " + m.String())
	c.status.Mode, c.status.FirstRun = m, false
	c.status.ModeUntil, c.status.ModeAfter = nil, nil
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
		lost := min(c.lost, len(lines))
		seen, sent, c.lost = len(c.added), c.sent, c.lost-lost
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
			on(ui.Event{Log: lines[lost:], Lost: lost})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-change:
		}
	}
}
