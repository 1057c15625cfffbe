package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// Rules returns all rules, oldest first.
func (c *Control) Rules(context.Context) ([]ui.Rule, error) {
	rules, err := c.store.Rules()
	if err != nil {
		return nil, err
	}
	out := make([]ui.Rule, len(rules))
	for i, r := range rules {
		out[i] = ruleOut(r)
	}
	return out, nil
}

// AddRule stores a rule and puts it into force.
func (c *Control) AddRule(ctx context.Context, r ui.Rule) (ui.Rule, error) {
	in, err := ruleIn(r)
	if err != nil {
		return ui.Rule{}, err
	}
	in.ID, in.Proposed = "", false
	c.changing.Lock()
	defer c.changing.Unlock()
	put, err := c.putRule(ctx, in, firewall.Rule{Verdict: firewall.Block}, "add rule: "+describe(in))
	if len(put) == 0 {
		return ui.Rule{}, err
	}
	return ruleOut(put[0]), err
}

// ChangeRule replaces the rule that has the ID. A proposed rule that a person
// changed is confirmed by that.
func (c *Control) ChangeRule(ctx context.Context, r ui.Rule) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	old, err := c.find(r.ID)
	if err != nil {
		return err
	}
	if r.Until == untilOut(old.Until) {
		r.Until = "" // it may name a process that has ended since
	}
	in, err := ruleIn(r)
	if err != nil {
		return err
	}
	if r.Until == "" {
		in.Until = old.Until
	}
	in.Proposed, in.Builtin = false, old.Builtin
	in.Created, in.LastUsed, in.Hits = old.Created, old.LastUsed, old.Hits
	_, err = c.putRule(ctx, in, old, "change rule "+r.ID+": "+describe(in))
	return err
}

// RemoveRule removes a rule; a built-in one too.
func (c *Control) RemoveRule(ctx context.Context, id string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	old, err := c.find(id)
	if err != nil {
		return err
	}
	_, err = c.update(ctx, persistence.Update{Remove: []firewall.RuleID{old.ID}}, "remove rule "+id+": "+describe(old))
	return err
}

// Confirm ends the review of proposed rules.
func (c *Control) Confirm(ctx context.Context, allow, block []string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	rules, err := c.store.Rules()
	if err != nil {
		return err
	}
	proposed := map[string]bool{}
	for _, r := range rules {
		proposed[string(r.ID)] = r.Proposed
	}
	confirmed := map[string]firewall.Verdict{}
	for _, id := range allow {
		confirmed[id] = firewall.Allow
	}
	for _, id := range block {
		confirmed[id] = firewall.Block
	}
	for _, id := range slices.Concat(allow, block) {
		if !proposed[id] {
			return fmt.Errorf("%w: no rule %s waits to be confirmed", ui.ErrNotFound, id)
		}
	}
	var u persistence.Update
	for _, r := range rules {
		verdict, ok := confirmed[string(r.ID)]
		switch {
		case !r.Proposed:
		case !ok:
			u.Remove = append(u.Remove, r.ID)
		default:
			r.Proposed, r.Verdict = false, verdict
			u.Put = append(u.Put, r)
		}
	}
	_, err = c.update(ctx, u, fmt.Sprintf("confirm programs: %d allowed, %d blocked, %d to be asked about", len(allow), len(block), len(u.Remove)))
	return err
}

// Answer decides a prompt, and stores the rule if it is to be remembered.
func (c *Control) Answer(ctx context.Context, a ui.Answer) error {
	if a.Verdict != firewall.Allow && a.Verdict != firewall.Block {
		return fmt.Errorf("%w: an answer allows or blocks", ui.ErrInvalid)
	}
	scope, err := scopeIn(a.Scope)
	if err != nil {
		return err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	prompts := c.engine.Prompts()
	i := slices.IndexFunc(prompts, func(p firewall.Prompt) bool { return string(p.ID) == a.ID })
	if i < 0 {
		return fmt.Errorf("%w: question %s was answered or has ended", ui.ErrNotFound, a.ID)
	}
	answer := firewall.Answer{Prompt: prompts[i].ID, Verdict: a.Verdict, Scope: scope}
	if a.For == "once" {
		return c.once(ctx, answer, prompts[i])
	}
	if prompts[i].Program.Kind == firewall.Changed && a.Verdict == firewall.Allow {
		return c.accept(ctx, answer, prompts[i], a.For)
	}
	rule, err := ruleOf(prompts[i], a.Verdict, scope, a.For)
	if err != nil {
		return err
	}
	put, err := c.remember(ctx, rule, prompts[i].Program)
	if len(put) == 0 {
		if errors.Is(err, ui.ErrInvalid) {
			return err
		}
		if once := c.once(ctx, answer, prompts[i]); once != nil {
			return once
		}
		return fmt.Errorf("%w: %w", ui.ErrNotStored, err)
	}
	answer.Rule = &put[0].ID
	if failed := c.engine.Answer(answer); failed != nil && !errors.Is(failed, firewall.ErrNoPrompt) {
		return failed
	}
	return err
}

// remember stores the rule of an answer, if it is not there already: a rule
// that asks each time may come before it.
func (c *Control) remember(ctx context.Context, r firewall.Rule, p firewall.Program) (put []firewall.Rule, err error) {
	what := "answer: " + describe(r)
	if same, ok := c.state.Load().rules.Like(r); ok && !same.Proposed {
		c.note(ctx, what)
		return []firewall.Rule{same}, nil
	}
	add := func(is ...firewall.Identity) (err error) {
		put, err = c.update(ctx, persistence.Update{Put: []firewall.Rule{r}, Identities: is}, what)
		return err
	}
	if p.Kind == firewall.Changed { // it is blocked as what it is
		err = add()
		return put, err
	}
	err = c.prover.Accept(p, add)
	return put, err
}

func (c *Control) once(ctx context.Context, a firewall.Answer, p firewall.Prompt) error {
	err := c.engine.Answer(a)
	switch {
	case errors.Is(err, firewall.ErrNoPrompt):
		return fmt.Errorf("%w: question %s was answered or has ended", ui.ErrNotFound, a.Prompt)
	case err != nil:
		return err
	}
	c.note(ctx, fmt.Sprintf("answer once: %s %s", a.Verdict, cmp.Or(p.Program.ID(), p.Program.Name())))
	return nil
}

// expire removes a rule whose time is over. If the database fails, the rule
// ends all the same, and its line goes with the next start.
func (c *Control) expire(id firewall.RuleID) {
	c.changing.Lock()
	defer c.changing.Unlock()
	old, ok := c.state.Load().rules.Rule(id)
	if !ok {
		return
	}
	ctx, what := context.Background(), "rule "+string(id)+" ended: "+describe(old)
	remove := persistence.Update{Remove: []firewall.RuleID{id}}
	if _, err := c.update(ctx, remove, what); err != nil {
		st := *c.state.Load()
		what += ", but it could not be removed from the database: " + err.Error()
		c.note(ctx, what)
		if err := c.enforce(ctx, &st, nil, remove.Remove, what); err != nil {
			slog.Error("a rule's time is over", "rule", id, "err", err)
		}
	}
}

// find returns a stored rule with its present hits.
func (c *Control) find(id string) (firewall.Rule, error) {
	r, ok, err := c.store.Rule(firewall.RuleID(id))
	if err == nil && !ok {
		err = fmt.Errorf("%w: there is no rule %q: list them with: sallyport rules", ui.ErrNotFound, id)
	}
	return r, err
}

func scopeIn(s string) (firewall.AnswerScope, error) {
	switch s {
	case "", "program":
		return firewall.ScopeProgram, nil
	case "host":
		return firewall.ScopeHost, nil
	case "port":
		return firewall.ScopePort, nil
	case "destination":
		return firewall.ScopeDestination, nil
	case "product":
		return firewall.ScopeProduct, nil
	case "zone":
		return firewall.ScopeZone, nil
	}
	return 0, fmt.Errorf("%w: scope %q: want program, host, port, destination, zone or product", ui.ErrInvalid, s)
}

// ruleOf makes the rule that remembers an answer.
func ruleOf(p firewall.Prompt, v firewall.Verdict, scope firewall.AnswerScope, lasts string) (firewall.Rule, error) {
	r := p.Rule(v, scope)
	if scope == firewall.ScopeProduct && r.Program == "" && p.Program.ID() != "" {
		return r, fmt.Errorf("%w: the program has no signature that this computer has verified: answer it with: --scope program", ui.ErrInvalid)
	}
	if r.Program == "" {
		return r, fmt.Errorf("%w: %w: answer it with: --for once", ui.ErrInvalid, firewall.ErrUnidentified)
	}
	if !p.Program.Lasting() && lasts != "exit" {
		return r, fmt.Errorf("%w: %w: answer it with: --for exit or --for once", ui.ErrInvalid, firewall.ErrInline)
	}
	if lasts == "exit" {
		if p.First.PID <= 0 {
			return r, fmt.Errorf("%w: the process is not known, so nobody can tell when it exits", ui.ErrInvalid)
		}
		r.Until = firewall.Expiry{Exit: true, PID: p.First.PID, Started: p.First.Started}
		return r, nil
	}
	if lasts != "" && lasts != "always" {
		d, err := time.ParseDuration(lasts)
		if err != nil || d <= 0 {
			return r, fmt.Errorf("%w: for %q: want once, exit, always or a duration such as 1h", ui.ErrInvalid, lasts)
		}
		r.Until.At = time.Now().Add(d)
	}
	return r, nil
}

// describe says in a line what a rule does.
func describe(r firewall.Rule) string {
	out := ruleOut(r)
	s := out.Verdict.String() + " " + out.Program
	if out.Direction == firewall.In {
		s += " in"
	}
	if out.Protocol != firewall.AnyProtocol {
		s += " " + out.Protocol.String()
	}
	if to := cmp.Or(out.Host, out.Remote); to != "" {
		s += " to " + to
	}
	if out.Port != 0 {
		s += fmt.Sprintf(" port %d", out.Port)
	}
	if out.Until != "always" {
		s += " until " + out.Until
	}
	if r.Disabled {
		s += " (disabled)"
	}
	return s
}
