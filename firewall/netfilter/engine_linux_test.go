package netfilter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"sallyport.dev/sallyport/firewall"
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
}

// request is what the test tells the engine process.
type request struct {
	Do       string // rules, mode, answer, stats
	Rules    []firewall.Rule
	Put      *firewall.Rule // one rule more
	Mode     firewall.Mode
	FailOpen bool
	Answer   firewall.Answer
}

// event is what the engine process tells the test.
type event struct {
	Kind    string // ready, prompts, entry, done
	At      time.Time
	Error   string
	Prompts []firewall.Prompt `json:",omitempty"`
	Entry   *firewall.Entry   `json:",omitempty"`
	Stats   *firewall.Stats   `json:",omitempty"`
	Lost    uint64            `json:",omitempty"`
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
	out := &reporter{prompts: make(chan []firewall.Prompt, 1), out: bufio.NewWriter(os.Stdout)}
	go out.show()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	backend, err := netfilter.New(netfilter.Config{Cgroup: s.Cgroup, Log: log, Limits: s.Limits})
	if err != nil {
		return err
	}
	engine := firewall.NewEngine(rules, s.Mode, firewall.Options{Patience: s.Patience, Watcher: out})
	policy := rules.Policy(s.Mode, s.FailOpen)
	if err := backend.Apply(policy); err != nil {
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
	go func() { engine.Run(engineCtx); close(engineDone) }()
	go obey(out, engine, backend, rules, policy)
	err = backend.Run(ctx, engine, func() { out.send(event{Kind: "ready", At: time.Now()}) })
	stopEngine()
	<-engineDone
	return err
}

func obey(out *reporter, engine *firewall.Engine, backend *netfilter.Backend, rules firewall.Ruleset, policy firewall.Policy) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r request
		e := event{Kind: "done", At: time.Now()}
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil && r.Rules != nil {
			var changed firewall.Ruleset
			if changed, err = ruleset(r.Rules); err == nil {
				rules = changed
				engine.SetRules(rules)
				policy = rules.Policy(policy.Mode, policy.FailOpen)
			}
		}
		if err == nil && r.Put != nil {
			if rules, err = rules.Change([]firewall.Rule{*r.Put}, nil); err == nil {
				engine.SetRules(rules)
				policy = rules.Policy(policy.Mode, policy.FailOpen)
			}
		}
		if err == nil {
			switch r.Do {
			case "mode":
				engine.SetMode(r.Mode)
				policy = rules.Policy(r.Mode, r.FailOpen)
			case "answer":
				err = engine.Answer(r.Answer)
			case "stats":
				stats := backend.Stats()
				e.Stats, e.Lost, e.Prompts = &stats, engine.LostEvents(), engine.Prompts()
			}
		}
		if err == nil && (r.Rules != nil || r.Put != nil || r.Do == "mode") {
			err = backend.Apply(policy)
		}
		if err != nil {
			e.Error = err.Error()
		}
		out.send(e)
	}
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
