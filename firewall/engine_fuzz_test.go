package firewall

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzEngine has programs, a person and time do this and that in any order, and
// checks after each step what must hold whatever happened.
func FuzzEngine(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			c := newChaos(t, seed)
			for range 60 {
				c.step()
				synctest.Wait()
				c.check()
			}
			c.stop()
			synctest.Wait()
			c.count(1)
		})
	})
}

// chaos is an engine in the middle of it.
type chaos struct {
	*testing.T
	*rand.Rand
	engine  *Engine
	stop    context.CancelFunc
	options Options
	mode    Mode
	rules   []Rule
	flows   []*chaosFlow
	given   int              // rules made
	allowed map[Program]bool // allowed by an answer, just once

	mu    sync.Mutex // guards the story and what became of flows
	story []string
}

type chaosFlow struct {
	Attempt
	name     string
	released []Decision
	gone     chan struct{}
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{T: t, Rand: rand.New(rand.NewPCG(seed, 5)), allowed: map[Program]bool{}}
	c.options = Options{Patience: 10 * time.Second, MaxPrompts: 3, MaxWaiting: 4, MaxPerPrompt: 3}
	c.engine = NewEngine(Ruleset{}, ModeAsk, c.options)
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	go c.engine.Run(ctx)
	return c
}

func (c *chaos) fail(format string, args ...any) {
	c.Helper()
	for _, line := range c.story {
		c.Log(line)
	}
	c.Fatalf(format, args...)
}

func (c *chaos) tell(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.story = append(c.story, fmt.Sprintf(format, args...))
}

func (c *chaos) step() {
	switch n := c.IntN(20); {
	case n < 8:
		c.dial()
	case n < 12:
		c.answer()
	case n < 14:
		c.change()
	case n < 15:
		c.mode = pick(c.Rand, []Mode{ModeAsk, ModeAsk, ModeAllow, ModeBlock, ModeOff, ModeLock})
		c.tell("mode %s", c.mode)
		c.engine.SetMode(c.mode)
	case n < 17:
		d := time.Duration(c.IntN(12)) * time.Second
		c.tell("wait %v", d)
		time.Sleep(d)
	case n < 18:
		if held := c.held(); len(held) > 0 {
			flow := pick(c.Rand, held)
			c.tell("gone %s", flow.name)
			close(flow.gone)
			flow.gone = nil
		}
	default:
		if held := c.held(); len(held) > 0 {
			flow := pick(c.Rand, held)
			c.tell("again %s", flow.name)
			c.hold(flow, func(Decision) {}) // a packet sent again, which nobody counts
		}
	}
}

func (c *chaos) dial() {
	flow := &chaosFlow{gone: make(chan struct{})}
	flow.Attempt = elsewhere(c.Rand, Attempt{Program: pick(c.Rand, somePrograms), Host: pick(c.Rand, someHosts)})
	flow.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1000+len(c.flows)))
	flow.PID, flow.Started = 1+c.IntN(2), epoch
	flow.Time = time.Now()
	flow.name = fmt.Sprintf("%d %v %s %v %q pid %d", len(c.flows), flow.Program, flow.Protocol, flow.Remote, flow.Host, flow.PID)
	c.tell("dial %s", flow.name)
	c.flows = append(c.flows, flow)
	c.hold(flow, func(d Decision) {
		c.mu.Lock()
		flow.released = append(flow.released, d)
		c.mu.Unlock()
		c.released(flow, d)
	})
}

func (c *chaos) hold(flow *chaosFlow, release func(Decision)) {
	c.engine.Hold(Held{Attempt: flow.Attempt, Gone: flow.gone, Release: release})
}

// released checks that somebody decided so.
func (c *chaos) released(flow *chaosFlow, d Decision) {
	c.tell("  %s %s by %s %s", d.Verdict, flow.name, d.Reason, d.Rule)
	if d.Verdict != Allow {
		return
	}
	a := flow.Attempt.normal()
	switch d.Reason {
	case ByRule:
		i := slices.IndexFunc(c.rules, func(r Rule) bool { return r.ID == d.Rule })
		if i < 0 || c.rules[i].Verdict != Allow || !c.rules[i].Matches(Attempt{Flow: a.Flow, Program: a.Program, PID: a.PID, Started: a.Started, Place: a.Place, Zone: a.Zone, Host: a.Host, Time: time.Now()}) {
			c.Errorf("%s is allowed by rule %q, which does not say so: %+v", flow.name, d.Rule, c.rules)
		}
	case ByMode:
		if c.mode == ModeAsk || c.mode == ModeBlock || c.mode == ModeLock && !a.loopback() {
			c.Errorf("%s is allowed in mode %s", flow.name, c.mode)
		}
	case ByAnswer:
		if !c.allowed[a.Program] {
			c.Errorf("%s is allowed by an answer that nobody gave", flow.name)
		}
	default:
		c.Errorf("%s is allowed by %s", flow.name, d.Reason)
	}
}

// answer does what the application does with a click.
func (c *chaos) answer() {
	prompts := c.engine.Prompts()
	if len(prompts) == 0 {
		return
	}
	p := pick(c.Rand, prompts)
	a := Answer{Prompt: p.ID, Verdict: Verdict(c.IntN(2)), Scope: AnswerScope(c.IntN(4))}
	rule := p.Rule(a.Verdict, a.Scope)
	c.tell("answer %v %s scope %d", p.Program, a.Verdict, a.Scope)
	if rule.Program == "" || oneIn(c.Rand, 2) {
		c.allowed[p.Program] = c.allowed[p.Program] || a.Verdict == Allow
	} else {
		c.given++
		rule.ID = RuleID(fmt.Sprint("answer-", c.given))
		if oneIn(c.Rand, 3) || !p.Program.Lasting() {
			rule.Until = Expiry{Exit: true, PID: p.First.PID, Started: p.First.Started}
		}
		c.rules = append(c.rules, rule)
		c.engine.SetRules(mustRules(c.T, c.rules))
		a.Rule = &rule.ID
	}
	if err := c.engine.Answer(a); err != nil {
		c.fail("the answer was refused: %v", err)
	}
	if err := c.engine.Answer(a); err == nil && a.Rule == nil {
		c.fail("the same answer counts twice")
	}
}

// change adds or removes a rule.
func (c *chaos) change() {
	if len(c.rules) > 0 && oneIn(c.Rand, 2) {
		i := c.IntN(len(c.rules))
		c.tell("remove rule %s", c.rules[i].ID)
		c.rules = slices.Delete(slices.Clone(c.rules), i, i+1)
	} else {
		c.given++
		r := randomRule(c.Rand, 1000+c.given)
		r.Direction, r.Until.At = Out, time.Time{}
		c.tell("rule %+v", r)
		c.rules = append(slices.Clone(c.rules), r)
	}
	c.engine.SetRules(mustRules(c.T, c.rules))
}

func (c *chaos) held() (held []*chaosFlow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, flow := range c.flows {
		if len(flow.released) == 0 && flow.gone != nil {
			held = append(held, flow)
		}
	}
	return held
}

func (c *chaos) check() {
	waiting := map[Question]int{}
	for _, flow := range c.held() {
		waiting[Question{flow.Program, flow.Direction}]++
		a := flow.Attempt
		a.Time = time.Now()
		if d, ok := c.engine.Judge(a); ok {
			c.fail("%s waits, though it is decided: %+v", flow.name, d)
		}
	}
	seen := map[Question]bool{}
	prompts := c.engine.Prompts()
	for _, p := range prompts {
		if seen[p.Question] {
			c.fail("two questions about %v", p.Question)
		}
		seen[p.Question] = true
		if p.Waiting != waiting[p.Question] || p.Expired != (p.Waiting == 0) {
			c.fail("the question says %d wait, expired %v; %d do: %+v", p.Waiting, p.Expired, waiting[p.Question], p)
		}
		if p.Waiting > c.options.MaxPerPrompt || !p.Expired && !time.Now().Before(p.Deadline) {
			c.fail("beyond a limit at %v: %+v", time.Now(), p)
		}
	}
	for q, n := range waiting {
		if !seen[q] {
			c.fail("%d wait, and nobody is asked: %+v", n, q)
		}
	}
	if len(prompts) > c.options.MaxPrompts {
		c.fail("%d questions", len(prompts))
	}
	c.count(0)
}

// count checks how often flows were released: once, or not yet.
func (c *chaos) count(least int) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, flow := range c.flows {
		if n := len(flow.released); n > 1 || n < least {
			c.Errorf("%s was released %d times", flow.name, n)
		}
	}
}
