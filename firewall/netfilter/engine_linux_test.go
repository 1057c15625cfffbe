package netfilter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/identity"
	"sallyport.dev/sallyport/firewall/netfilter"
)

// setup is what an engine process starts with.
type setup struct {
	Cgroup   string
	Rules    []firewall.Rule // beside the built-in ones
	Mode     firewall.Mode
	FailOpen bool
	Patience time.Duration
	Limits   netfilter.Limits
	Zones    map[netip.Prefix]firewall.Zone

	Identities string                    // the file that keeps what programs are; "": nothing does
	Packages   map[string]firewall.Proof // of files that a package vouches for
	Databases  bool                      // ask those of packages instead
}

// request is what the test tells the engine process.
type request struct {
	Do       string // rules, mode, answer, accept, undo, stats
	Rules    []firewall.Rule
	Put      *firewall.Rule // one rule more
	Mode     firewall.Mode
	Until    time.Time // of the mode
	FailOpen bool
	Answer   firewall.Answer
	Program  firewall.Program // to accept
	Zones    map[netip.Prefix]firewall.Zone
	Path     string // to undo what was carried over there
}

// event is what the engine process tells the test.
type event struct {
	Kind     string // ready, prompts, entry, kept, carried, done
	At       time.Time
	Error    string
	Prompts  []firewall.Prompt  `json:",omitempty"`
	Entry    *firewall.Entry    `json:",omitempty"`
	Stats    *firewall.Stats    `json:",omitempty"`
	Lost     uint64             `json:",omitempty"`
	Identity *firewall.Identity `json:",omitempty"`
}

const setupVariable = "SALLYPORT_TEST_SETUP" // the file of a setup

// reporter sends what the engine does to the test.
type reporter struct {
	prompts chan []firewall.Prompt // the newest, not yet shown

	mu  sync.Mutex
	out *bufio.Writer
}

func (r *reporter) send(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	json.NewEncoder(r.out).Encode(e)
	r.out.Flush()
}

// Prompts keeps the newest; a thousand questions are not written a thousand times.
func (r *reporter) Prompts(ps []firewall.Prompt) {
	select {
	case <-r.prompts:
	default:
	}
	r.prompts <- ps
}

func (r *reporter) show() {
	for ps := range r.prompts {
		r.send(event{Kind: "prompts", At: time.Now(), Prompts: ps})
	}
}

func (r *reporter) Decided(e firewall.Entry) {
	r.send(event{Kind: "entry", At: time.Now(), Entry: &e})
}

func ruleset(rules []firewall.Rule) (firewall.Ruleset, error) {
	return firewall.NewRuleset(slices.Concat(firewall.BuiltinRules(), rules)...)
}

// engineRole is an engine with a backend, told what to do line by line.
func engineRole() error {
	var s setup
	text, err := os.ReadFile(os.Getenv(setupVariable))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	rules, err := ruleset(s.Rules)
	if err != nil {
		return err
	}
	zones, err := firewall.NewZones(s.Zones)
	if err != nil {
		return err
	}
	rules = rules.In(zones)
	e := &engineParts{out: &reporter{prompts: make(chan []firewall.Prompt, 1), out: bufio.NewWriter(os.Stdout)}, setup: s, rules: rules}
	go e.out.show()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if e.backend, err = netfilter.New(netfilter.Config{Cgroup: s.Cgroup, Log: log, Limits: s.Limits}); err != nil {
		return err
	}
	e.engine = firewall.NewEngine(rules, s.Mode, firewall.Options{Patience: s.Patience, Watcher: e.out})
	if err := e.knowPrograms(); err != nil {
		return err
	}
	if err := e.apply(rules.Policy(s.Mode, s.FailOpen)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, handOver := context.WithCancelCause(ctx)
	defer handOver(nil)
	restart := make(chan os.Signal, 1)
	signal.Notify(restart, syscall.SIGUSR1)
	go func() { <-restart; handOver(firewall.ErrHandOver) }()
	engineCtx, stopEngine := context.WithCancel(context.Background())
	engineDone := make(chan struct{})
	go func() { e.engine.Run(engineCtx); close(engineDone) }()
	go e.prover.Run(engineCtx)
	go e.obey()
	err = e.backend.Run(ctx, e.engine, func() { e.out.send(event{Kind: "ready", At: time.Now()}) })
	stopEngine()
	<-engineDone
	return err
}

// engineParts are joined as the application joins them.
type engineParts struct {
	out     *reporter
	setup   setup
	engine  *firewall.Engine
	backend *netfilter.Backend
	prover  *identity.Prover

	mu     sync.Mutex // held while something changes
	rules  firewall.Ruleset
	policy firewall.Policy

	named   atomic.Pointer[firewall.Ruleset]
	keeping sync.Mutex
	kept    map[string]firewall.Identity
}

func (e *engineParts) apply(p firewall.Policy) error {
	p.Identify = e.prover.Identify
	e.policy = p
	rules := e.rules
	e.named.Store(&rules)
	return e.backend.Apply(p)
}

func (e *engineParts) obey() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r request
		done := event{Kind: "done", At: time.Now()}
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil {
			err = e.do(r, &done)
		}
		if err != nil {
			done.Error = err.Error()
		}
		e.out.send(done)
	}
}

func (e *engineParts) do(r request, done *event) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rules := e.rules
	if r.Rules != nil {
		rules, err = ruleset(r.Rules)
		rules = rules.In(e.rules.Zones())
	}
	if err == nil && r.Zones != nil {
		var zones firewall.Zones
		zones, err = firewall.NewZones(r.Zones)
		rules = rules.In(zones)
	}
	if err == nil && r.Put != nil {
		rules, err = rules.Change([]firewall.Rule{*r.Put}, nil)
	}
	if err != nil {
		return err
	}
	policy, changed := e.policy, r.Rules != nil || r.Put != nil || r.Zones != nil
	if changed {
		e.rules = rules
		e.engine.SetRules(rules)
		policy = rules.Policy(policy.Mode, policy.FailOpen)
	}
	switch r.Do {
	case "mode":
		e.engine.SetMode(r.Mode)
		policy, changed = rules.Policy(r.Mode, r.FailOpen), true
		policy.Until = r.Until
	case "answer":
		err = e.engine.Answer(r.Answer)
	case "accept":
		if err = e.prover.Accept(r.Program, e.accepted); err == nil {
			e.engine.Known(r.Program, r.Program.Proven())
		}
		changed = true
	case "undo":
		err, changed = e.prover.Undo(r.Path, e.accepted), true
	case "stats":
		stats := e.backend.Stats()
		done.Stats, done.Lost, done.Prompts = &stats, e.engine.LostEvents(), e.engine.Prompts()
	}
	if err == nil && changed {
		err = e.apply(policy)
	}
	return err
}

// recoverRole removes what an engine left, and prints what that was.
func recoverRole() error {
	removed, err := netfilter.Recover(os.Getenv("SALLYPORT_TEST_FORCE") == "1")
	if err != nil {
		return err
	}
	for _, r := range removed {
		fmt.Println(r)
	}
	return nil
}
