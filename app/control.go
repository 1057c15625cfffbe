package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
	"sallyport.dev/sallyport/firewall/networks"
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
	prover  *identity.Prover
	hub     *hub
	started time.Time
	first   firewall.Mode // until a person chooses one
	clock   clock

	forecasts chan struct{} // holds whoever looks at what a change would have changed

	notes []string // what a person should know since the start

	follows  bool                               // which networks this computer is on
	attached atomic.Pointer[[]networks.Network] // those

	changing  sync.Mutex // held by whoever makes a change
	reapplies bool       // what the backend has cached is about to be judged again; under changing
	expiry    *expiry
	idleness  idleness
	state     atomic.Pointer[state]

	allowed, blocked atomic.Uint64
}

// state is what is in force. It is replaced as a whole.
type state struct {
	rules    firewall.Ruleset
	mode     firewall.Mode
	timed    persistence.TimedMode // that mode, if it ends by itself
	after    firewall.Mode         // the mode after it; mode itself if it does not end
	chosen   bool                  // a person chose the mode
	settings persistence.Settings
}

var _ ui.Control = (*Control)(nil)

// NewControl puts what the store holds into force. first is the mode until a
// person chooses one. Nothing happens before Run.
func NewControl(s *persistence.Store, b firewall.Backend, first firewall.Mode) (*Control, error) {
	return newControl(s, b, first, systemClock())
}

func newControl(s *persistence.Store, b firewall.Backend, first firewall.Mode, by clock) (*Control, error) {
	c := &Control{store: s, journal: persistence.NewJournal(s), backend: b, started: time.Now(), first: first, forecasts: make(chan struct{}, 1), clock: by}
	c.hub = newHub(c)
	c.idleness.system = systemIdle
	c.expiry = &expiry{clock: by, ended: c.expire, waits: map[firewall.RuleID]wait{}}
	c.journal.Written = c.hub.written
	st, err := c.load(first)
	if err != nil {
		return nil, err
	}
	c.engine = firewall.NewEngine(st.rules, st.mode, firewall.Options{Patience: st.settings.Patience, Watcher: watcher{c}, Uptime: by.uptime})
	c.state.Store(st)
	if err := c.knowPrograms(st.rules); err != nil {
		return nil, err
	}
	return c, c.apply()
}

func (c *Control) load(first firewall.Mode) (*state, error) {
	stored, err := c.store.Rules()
	if err != nil {
		return nil, err
	}
	if stored, err = c.arrive(stored); err != nil {
		return nil, err
	}
	rules, err := firewall.NewRuleset(stored...)
	if err != nil {
		return nil, fmt.Errorf("put the stored rules into force: %w", err)
	}
	zones, err := c.zones()
	if err != nil {
		return nil, err
	}
	rules = rules.In(zones)
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
	st := &state{rules: rules, mode: mode, after: mode, chosen: chosen || first == firewall.ModeAsk, settings: settings}
	c.resume(st)
	return st, nil
}

// Run tells watchers about changes and ends rules in time, until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	c.changing.Lock()
	c.expiry.start(ctx)
	for r := range c.state.Load().rules.All() {
		c.expiry.put(r)
	}
	c.expiry.mode(c.state.Load().timed.Until)
	c.changing.Unlock()
	defer c.expiry.wait()
	var idle sync.WaitGroup
	defer idle.Wait()
	idle.Go(func() { c.lockWhenIdle(ctx) })
	return c.hub.run(ctx)
}

// watcher is told by the engine, on its goroutine.
type watcher struct{ *Control }

func (w watcher) Prompts(ps []firewall.Prompt) { w.hub.prompts(ps) }

func (w watcher) Decided(e firewall.Entry) {
	n := uint64(max(e.Count, 1))
	switch {
	case e.Reason == firewall.PassedOn: // it was counted when it was decided
	case e.Verdict == firewall.Allow:
		w.allowed.Add(n)
	case e.Verdict == firewall.Block:
		w.blocked.Add(n)
	}
	// A changed program has its rules, and is to be asked about. Who serves a
	// connection that is older than the firewall, as sshd serves the person who
	// installs it, is seen by that.
	seen := e.Reason == firewall.ByMode || e.Reason == firewall.Existing && e.Direction == firewall.In
	if seen && e.Verdict == firewall.Allow && e.Program.Kind != firewall.Changed {
		switch w.state.Load().mode {
		case firewall.ModeAllow:
			w.journal.Collect(e)
		case firewall.ModeLearn:
			w.journal.Learn(e)
		}
	}
	if known := w.hub.facts.ofLine(e); known != nil {
		w.journal.AppendKnown(e, known)
	} else {
		w.journal.Append(e)
	}
	w.hub.counted()
}

func (c *Control) apply() error {
	st := c.state.Load()
	p := st.rules.Policy(st.mode, st.settings.FailOpen)
	p.Identify = c.prover.Identify
	p.Until = st.timed.Until.End(c.clock.now(), firewall.Allow)
	if err := c.backend.Apply(p); err != nil {
		return fmt.Errorf("the change is stored, but could not be put into force: %w: restart the engine", err)
	}
	return nil
}

// Status says what the firewall is doing.
func (c *Control) Status(context.Context) (ui.Status, error) {
	st, b := c.state.Load(), c.backend.Stats()
	s := ui.Status{
		Version: Version, Running: true, Mode: st.mode, Backend: b.Backend, Enforcing: b.Enforcing, Cgroup: b.Cgroup,
		Prompts: c.hub.open(), Rules: st.rules.Len(), Proposed: st.rules.Proposed(), Allowed: c.allowed.Load(), Blocked: c.blocked.Load(),
		DroppedEvents: b.DroppedEvents + c.engine.LostEvents() + c.journal.Lost(), OtherNamespaces: b.OtherNamespaces,
		Fail: "closed", FirstRun: !st.chosen, Notes: append(slices.Clone(c.notes), b.Notes...), Started: c.started.UTC(),
	}
	if st.settings.FailOpen {
		s.Fail = "open"
	}
	if until := st.timed.Until.End(c.clock.now(), firewall.Allow); !until.IsZero() {
		until = until.UTC().Truncate(time.Second)
		s.ModeUntil, s.ModeAfter = &until, &st.after
	}
	if trouble := c.journal.Trouble(); trouble != "" {
		s.Notes = append(s.Notes, trouble)
	}
	if note := c.newNetwork(); note != "" {
		s.Notes = append(s.Notes, note)
	}
	var err error
	if s.LogLines, err = c.store.Count(); err != nil {
		return s, err
	}
	if s.Learned, err = c.store.CountLearned(); err != nil {
		return s, err
	}
	if st.mode == firewall.ModeAllow {
		seen, err := c.store.CountSeen()
		if err != nil {
			return s, err
		}
		s.Proposed += seen
	}
	return s, nil
}

// Watch calls on for each change. See [ui.Control].
func (c *Control) Watch(ctx context.Context, on func(ui.Event)) error {
	return c.hub.watch(ctx, on)
}
