package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
	"sallyport.dev/sallyport/ui"
)

func TestAnAnswerIsARuleAlsoAfterARestart(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	c, p := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, r.dir, firewall.ModeAsk, onlyUs)
	r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.9:80")), firewall.Allow, firewall.ByRule)
	lines := r.log(t, ui.LogQuery{})
	var changes []string
	for _, l := range lines {
		if l.Kind == "change" {
			changes = append(changes, fmt.Sprintf("%s by uid %d pid %d", l.Note, l.UID, l.PID))
		}
	}
	want := fmt.Sprintf("answer: allow /usr/bin/curl by uid %d pid %d", os.Getuid(), os.Getpid())
	if len(changes) != 1 || changes[0] != want {
		t.Fatalf("changes in the log: %q, want %q", changes, want)
	}
}

func TestAnAnswerOnceIsNotRemembered(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	c, p := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Block, For: "once"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Block, firewall.ByAnswer)
	if rules, err := r.Rules(t.Context()); err != nil || len(rules) != 0 {
		t.Fatalf("rules %v, error %v", rules, err)
	}
	r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
}

func TestALateAnswerDecidesNothing(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	_, p := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	answer := ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: "once"}
	if err := r.Answer(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	if err := r.Answer(t.Context(), answer); !errors.Is(err, ui.ErrNotFound) {
		t.Fatalf("the second answer: %v", err)
	}
	answer.For = "always"
	if err := r.Answer(t.Context(), answer); !errors.Is(err, ui.ErrNotFound) {
		t.Fatalf("the third answer: %v", err)
	}
}

func TestAnUnidentifiedProgramIsAnsweredOnceOnly(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	a := attempt("", "192.0.2.1:443")
	a.Program = firewall.Program{File: "x", Why: "path too long"}
	_, p := r.ask(t, a)
	if !p.OnlyOnce || p.Program != "" {
		t.Fatalf("prompt %+v", p)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); !errors.Is(err, ui.ErrInvalid) || !strings.Contains(err.Error(), "--for once") {
		t.Fatalf("answered always: %v", err)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: "once"}); err != nil {
		t.Fatal(err)
	}
}

func TestInlineCodeIsAnsweredOnceOrUntilItExits(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	a := attempt("", "192.0.2.1:443")
	a.Program = firewall.Program{Kind: firewall.Interpreted, Path: "/usr/bin/python3.11", Family: "python", File: "execution 7", Why: "inline code"}
	self, err := process.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	a.PID, a.Started = self.PID, self.Started
	c, p := r.ask(t, a)
	if p.OnlyOnce || !p.Inline || p.Name != "python3.11" || p.About != "inline code" {
		t.Fatalf("prompt %+v", p)
	}
	for _, lasts := range []string{"always", "1h", ""} {
		if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: lasts}); !errors.Is(err, ui.ErrInvalid) || !strings.Contains(err.Error(), "--for exit") {
			t.Fatalf("answered for %q: %v", lasts, err)
		}
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, For: "exit"}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	a.Program.File, a.PID = "execution 8", os.Getppid()
	_, p = r.ask(t, a)
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Block, For: "once"}); err != nil {
		t.Fatal(err)
	}
}

func TestAnAnswerCountsOnceWhenItCannotBeStored(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	c, p := r.ask(t, attempt("/usr/bin/curl", "192.0.2.1:443"))
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); !errors.Is(err, ui.ErrNotStored) {
		t.Fatalf("answered: %v", err)
	}
	r.decided(t, c, firewall.Allow, firewall.ByAnswer)
	if err := r.stop(); err == nil {
		t.Error("the engine stopped as if its database were whole")
	}
}

func TestScopesMakeTheRulesTheyName(t *testing.T) {
	for _, test := range []struct{ scope, host, want string }{
		{"program", "", "allow /usr/bin/curl"},
		{"host", "example.org", "allow /usr/bin/curl to example.org"},
		{"host", "", "allow /usr/bin/curl to 192.0.2.1"},
		{"port", "example.org", "allow /usr/bin/curl tcp port 443"},
		{"destination", "example.org", "allow /usr/bin/curl tcp to example.org port 443"},
	} {
		t.Run(test.scope+" "+test.host, func(t *testing.T) {
			r := newRig(t, firewall.ModeAsk, onlyUs)
			a := attempt("/usr/bin/curl", "192.0.2.1:443")
			a.Host = test.host
			c, p := r.ask(t, a)
			if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow, Scope: test.scope}); err != nil {
				t.Fatal(err)
			}
			r.decided(t, c, firewall.Allow, firewall.ByRule)
			for rule := range r.state.Load().rules.All() {
				if got := describe(rule); got != test.want {
					t.Fatalf("rule %q, want %q", got, test.want)
				}
			}
			if n := r.state.Load().rules.Len(); n != 1 {
				t.Fatalf("%d rules", n)
			}
		})
	}
}

func TestARuleEndsWithItsTimeAndWithItsProcess(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	child := startSleeper(t)
	for _, until := range []string{"50ms", fmt.Sprintf("exit:%d", child.Process.Pid)} {
		if _, err := r.AddRule(ctx, ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Allow, Until: until, Enabled: true}); err != nil {
			t.Fatal(err)
		}
	}
	gone := make(chan struct{})
	go r.Watch(ctx, func(e ui.Event) {
		if e.Status != nil && e.Status.Rules == 0 {
			select {
			case <-gone:
			default:
				close(gone)
			}
		}
	})
	child.Process.Kill()
	child.Wait()
	select {
	case <-gone:
	case <-ctx.Done():
		rules, _ := r.Rules(t.Context())
		t.Fatalf("left: %+v", rules)
	}
}

func TestTheFirstStartCollectsAndThenProposes(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	ctx := t.Context()
	for _, path := range []string{"/usr/bin/curl", "/usr/bin/ssh", "/usr/bin/curl", "/usr/bin/wget"} {
		r.decided(t, r.memory.Dial(attempt(path, "192.0.2.1:443")), firewall.Allow, firewall.ByMode)
	}
	r.log(t, ui.LogQuery{})
	if s, err := r.Status(ctx); err != nil || !s.FirstRun || s.Proposed != 3 {
		t.Fatalf("status %+v, error %v", s, err)
	}
	if err := r.SetMode(ctx, firewall.ModeAsk); err != nil {
		t.Fatal(err)
	}
	s, err := r.Status(ctx)
	if err != nil || s.FirstRun || s.Proposed != 3 || s.Prompts != 0 {
		t.Fatalf("status %+v, error %v", s, err)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/ssh", "192.0.2.1:22")), firewall.Allow, firewall.ByRule)
	ids := map[string]string{}
	rules, _ := r.Rules(ctx)
	for _, rule := range rules {
		ids[rule.Program] = rule.ID
	}
	if err := r.Confirm(ctx, []string{ids["/usr/bin/curl"]}, []string{ids["/usr/bin/ssh"]}); err != nil {
		t.Fatal(err)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443")), firewall.Allow, firewall.ByRule)
	r.decided(t, r.memory.Dial(attempt("/usr/bin/ssh", "192.0.2.1:22")), firewall.Block, firewall.ByRule)
	r.ask(t, attempt("/usr/bin/wget", "192.0.2.1:443"))
	if err := r.Confirm(ctx, []string{ids["/usr/bin/curl"]}, nil); !errors.Is(err, ui.ErrNotFound) {
		t.Fatalf("confirmed twice: %v", err)
	}
}

// Who installs the firewall over SSH is not shut out when asking begins: the
// connection that is open tells that sshd serves.
func TestAServerInUseWhenAskingBeginsIsProposed(t *testing.T) {
	r := newRig(t, firewall.ModeAllow, onlyUs)
	call := attempt("/usr/sbin/sshd", "192.0.2.1:50000")
	call.Direction = firewall.In
	watcher{r.Control}.Decided(firewall.Entry{Attempt: call, Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.Existing}, Count: 1})
	if err := r.SetMode(t.Context(), firewall.ModeAsk); err != nil {
		t.Fatal(err)
	}
	again := call
	again.Remote = netip.MustParseAddrPort("192.0.2.9:50001")
	r.decided(t, r.memory.Dial(again), firewall.Allow, firewall.ByRule)
	r.ask(t, attempt("/usr/sbin/sshd", "192.0.2.1:22"))
	other := call
	other.Program.Path = "/usr/sbin/nginx"
	r.ask(t, other)
}

func TestTheSameAnswerTwiceIsOneRule(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/ssh", Verdict: firewall.Ask, Protocol: firewall.TCP, Port: 22, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, p := r.ask(t, attempt("/usr/bin/ssh", "192.0.2.1:22"))
		if err := r.Answer(t.Context(), ui.Answer{ID: p.ID, Verdict: firewall.Allow}); err != nil {
			t.Fatal(err)
		}
		r.decided(t, c, firewall.Allow, firewall.ByRule)
	}
	if rules, err := r.Rules(t.Context()); err != nil || len(rules) != 2 {
		t.Fatalf("%d rules, error %v: %+v", len(rules), err, rules)
	}
}

func TestLockHoldsThoughItCannotBeStored(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	if _, err := r.AddRule(t.Context(), ui.Rule{Program: "/usr/bin/curl", Verdict: firewall.Allow, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	open := r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443"))
	r.decided(t, open, firewall.Allow, firewall.ByRule)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.SetMode(t.Context(), firewall.ModeLock); err == nil || !strings.Contains(err.Error(), "only until the engine starts again") {
		t.Errorf("locked: %v", err)
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443")), firewall.Block, firewall.ByMode)
	select {
	case <-open.Closed():
	default:
		t.Error("the open connection was not cut")
	}
	if err := r.SetMode(t.Context(), firewall.ModeOff); err == nil {
		t.Error("off could not be stored, and nobody is told")
	}
	r.decided(t, r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443")), firewall.Block, firewall.ByMode)
	r.stop()
}

func TestARuleEndsThoughTheDatabaseFails(t *testing.T) {
	r := newRig(t, firewall.ModeAsk, onlyUs)
	for _, rule := range []ui.Rule{
		{Program: firewall.AnyProgram, Verdict: firewall.Block, Enabled: true},
		{Program: "/usr/bin/curl", Verdict: firewall.Allow, Until: "1s", Enabled: true},
	} {
		if _, err := r.AddRule(t.Context(), rule); err != nil {
			t.Fatal(err)
		}
	}
	c := r.memory.Dial(attempt("/usr/bin/curl", "192.0.2.1:443"))
	r.decided(t, c, firewall.Allow, firewall.ByRule)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Closed():
	case <-time.After(10 * time.Second):
		t.Error("the connection is open though its rule is over")
	}
	r.stop()
}
