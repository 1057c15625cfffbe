package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Version is what status tells; the build sets it.
var Version = "0.1.0"

// Control is what windows and commands may do, in the engine's process. Every
// change is stored first, then put into force.
type Control struct {
	store   *persistence.Store
	journal *persistence.Journal
	backend firewall.Backend
	engine  *firewall.Engine
	hub     *hub
	started time.Time
	notes   []string // what a person should know since the start

	changing sync.Mutex // held by whoever makes a change
	expiry   *expiry
	state    atomic.Pointer[state]

	allowed, blocked atomic.Uint64
}

// state is what is in force. It is replaced as a whole.
type state struct {
	rules    []firewall.Rule
	set      firewall.Ruleset // of the rules
	mode     firewall.Mode
	chosen   bool // a person chose the mode
	settings persistence.Settings
}

var _ ui.Control = (*Control)(nil)

// NewControl puts what the store holds into force. first is the mode until a
// person chooses one. Nothing happens before Run.
func NewControl(s *persistence.Store, b firewall.Backend, first firewall.Mode) (*Control, error) {
	c := &Control{store: s, journal: persistence.NewJournal(s), backend: b, started: time.Now()}
	c.hub = newHub(c)
	c.expiry = &expiry{ended: c.expire, waits: map[firewall.RuleID]context.CancelFunc{}}
	c.journal.Written = c.hub.written
	st, err := c.load(first)
	if err != nil {
		return nil, err
	}
	set, err := firewall.NewRuleset(st.rules...)
	if err != nil {
		return nil, fmt.Errorf("put the stored rules into force: %w", err)
	}
	st.set = set
	c.engine = firewall.NewEngine(set, st.mode, firewall.Options{Patience: st.settings.Patience, Watcher: watcher{c}})
	c.state.Store(st)
	return c, c.apply()
}

func (c *Control) load(first firewall.Mode) (*state, error) {
	rules, err := c.store.Rules()
	if err != nil {
		return nil, err
	}
	mode, chosen, err := c.store.Mode()
	if err != nil {
		return nil, err
	}
	if !chosen {
		mode = first
	}
	settings, err := c.store.Settings()
	if err != nil {
		return nil, err
	}
	// A confined firewall asks from the start: nobody is locked out by it.
	return &state{rules: rules, mode: mode, chosen: chosen || first == firewall.ModeAsk, settings: settings}, nil
}

// Run tells watchers about changes and ends rules in time, until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	c.changing.Lock()
	c.expiry.start(ctx)
	c.expiry.set(c.state.Load().rules)
	c.changing.Unlock()
	defer c.expiry.wait()
	return c.hub.run(ctx)
}

// watcher is told by the engine, on its goroutine.
type watcher struct{ *Control }

func (w watcher) Prompts(ps []firewall.Prompt) { w.hub.prompts(ps) }

func (w watcher) Decided(e firewall.Entry) {
	n := uint64(max(e.Count, 1))
	switch e.Verdict {
	case firewall.Allow:
		w.allowed.Add(n)
	case firewall.Block:
		w.blocked.Add(n)
	}
	if e.Reason == firewall.ByMode && w.state.Load().mode == firewall.ModeAllow {
		w.journal.Collect(e)
	}
	w.journal.Append(e)
	w.hub.counted()
}

func (c *Control) apply() error {
	st := c.state.Load()
	if err := c.backend.Apply(st.set.Policy(st.mode, st.settings.FailOpen)); err != nil {
		return fmt.Errorf("the change is stored, but could not be put into force: %w: restart the engine", err)
	}
	return nil
}

// update stores a change, puts it into force and notes who made it. The caller
// holds c.changing.
func (c *Control) update(ctx context.Context, u persistence.Update, what string) ([]firewall.Rule, error) {
	for _, r := range u.Put {
		if err := validate(r); err != nil {
			return nil, err
		}
	}
	put, err := c.store.Update(u)
	if err != nil {
		return nil, err
	}
	old := c.state.Load()
	st := *old
	gone := map[firewall.RuleID]bool{}
	for _, id := range u.Remove {
		gone[id] = true
	}
	st.rules = slices.DeleteFunc(slices.Clone(old.rules), func(r firewall.Rule) bool { return gone[r.ID] })
	at := map[firewall.RuleID]int{}
	for i, r := range st.rules {
		at[r.ID] = i
	}
	for _, r := range put {
		if i, ok := at[r.ID]; ok {
			st.rules[i] = r
		} else {
			st.rules = append(st.rules, r)
		}
	}
	if u.Mode != nil {
		st.mode, st.chosen = *u.Mode, true
	}
	if len(u.Settings) > 0 {
		if st.settings, err = c.store.Settings(); err != nil {
			return nil, err
		}
	}
	return put, c.enforce(ctx, &st, what)
}

// enforce makes a stored state the one in force.
func (c *Control) enforce(ctx context.Context, st *state, what string) error {
	set, err := firewall.NewRuleset(st.rules...)
	if err != nil {
		return fmt.Errorf("put the stored rules into force: %w", err)
	}
	st.set = set
	old := c.state.Swap(st)
	c.engine.SetRules(set)
	if st.mode != old.mode {
		c.engine.SetMode(st.mode)
	}
	if st.settings.Patience != old.settings.Patience {
		c.engine.SetPatience(st.settings.Patience)
	}
	c.expiry.set(st.rules)
	c.note(ctx, what)
	c.hub.changed()
	return c.apply()
}

// note logs a change with who made it.
func (c *Control) note(ctx context.Context, what string) {
	change := persistence.Change{Time: time.Now(), UID: os.Getuid(), PID: os.Getpid(), Text: what}
	if p, ok := link.PeerFrom(ctx); ok {
		change.UID, change.PID, change.Program = p.UID, p.PID, p.Program
	} else {
		change.Program, _ = os.Executable()
	}
	c.journal.Note(change)
}

// validate checks a rule that may still be without its ID.
func validate(r firewall.Rule) error {
	if r.ID == "" {
		r.ID = "new"
	}
	if err := r.Validate(); err != nil {
		return invalid(err)
	}
	return nil
}

// invalid marks an error as the fault of what was asked for.
func invalid(err error) error {
	if errors.Is(err, ui.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w: %w", ui.ErrInvalid, err)
}

// Status says what the firewall is doing.
func (c *Control) Status(context.Context) (ui.Status, error) {
	st, b := c.state.Load(), c.backend.Stats()
	s := ui.Status{
		Version: Version, Running: true, Mode: st.mode, Backend: b.Backend, Enforcing: b.Enforcing, Cgroup: b.Cgroup,
		Prompts: c.hub.open(), Rules: len(st.rules), Allowed: c.allowed.Load(), Blocked: c.blocked.Load(),
		DroppedEvents: b.DroppedEvents + c.engine.LostEvents() + c.journal.Lost(), OtherNamespaces: b.OtherNamespaces,
		Fail: "closed", FirstRun: !st.chosen, Notes: append(slices.Clone(c.notes), b.Notes...), Started: c.started.UTC(),
	}
	if st.settings.FailOpen {
		s.Fail = "open"
	}
	if trouble := c.journal.Trouble(); trouble != "" {
		s.Notes = append(s.Notes, trouble)
	}
	for _, r := range st.rules {
		if r.Proposed {
			s.Proposed++
		}
	}
	if st.mode == firewall.ModeAllow {
		seen, err := c.store.Seen()
		if err != nil {
			return s, err
		}
		s.Proposed += len(seen)
	}
	return s, nil
}

// SetMode changes the mode. When asking begins, the programs seen before
// become proposed rules.
func (c *Control) SetMode(ctx context.Context, m firewall.Mode) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	u := persistence.Update{Mode: &m}
	if m == firewall.ModeAsk {
		if err := c.journal.Flush(ctx); err != nil {
			return err
		}
		seen, err := c.store.Seen()
		if err != nil {
			return err
		}
		for _, s := range seen {
			u.Put = append(u.Put, firewall.Rule{
				Program: s.Program, Direction: s.Direction, Verdict: firewall.Allow, Proposed: true, Note: "seen before asking began",
			})
			u.Unsee = append(u.Unsee, s.Program)
		}
	}
	_, err := c.update(ctx, u, "mode "+m.String())
	return err
}

// Settings returns all settings.
func (c *Control) Settings(context.Context) ([]ui.Setting, error) {
	list, err := c.store.SettingList()
	if err != nil {
		return nil, err
	}
	out := make([]ui.Setting, len(list))
	for i, s := range list {
		out[i] = ui.Setting(s)
	}
	return out, nil
}

// SetSetting stores a setting and puts it into force.
func (c *Control) SetSetting(ctx context.Context, name, value string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	list, err := c.store.SettingList()
	if err != nil {
		return err
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, name) {
		return fmt.Errorf("%w: setting %q: want one of %s", ui.ErrNotFound, name, strings.Join(names, ", "))
	}
	if _, err = c.update(ctx, persistence.Update{Settings: map[string]string{name: value}}, "setting "+name+" = "+value); err != nil {
		return invalid(err)
	}
	return nil
}

// Log returns matching lines, newest first.
func (c *Control) Log(_ context.Context, q ui.LogQuery) ([]ui.LogLine, error) {
	query, err := queryIn(q)
	if err != nil {
		return nil, err
	}
	lines, err := c.store.Log(query)
	if err != nil {
		return nil, err
	}
	out := make([]ui.LogLine, len(lines))
	for i, l := range lines {
		out[i] = lineOut(l)
	}
	return out, nil
}

// Watch calls on for each change. See [ui.Control].
func (c *Control) Watch(ctx context.Context, on func(ui.Event)) error {
	return c.hub.watch(ctx, on)
}
