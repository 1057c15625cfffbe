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
	"sallyport.dev/sallyport/firewall/identity"
	"sallyport.dev/sallyport/firewall/process"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// knowPrograms begins to prove that files are the programs that the rules were
// made for. What is known of paths that no rule names any more is forgotten.
func (c *Control) knowPrograms(rules firewall.Ruleset) error {
	all, err := c.store.Identities()
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for r := range rules.All() {
		named[r.Program] = true
	}
	var forget []string
	all = slices.DeleteFunc(all, func(i firewall.Identity) bool {
		if named[i.Program] || i.Strict { // what a person took back stays so
			return false
		}
		forget = append(forget, i.Program)
		return true
	})
	if len(forget) > 0 {
		if err := c.store.PutIdentities(nil, forget); err != nil {
			return err
		}
	}
	c.prover = identity.New(all, identity.Options{
		Named:   func(program string) bool { return c.state.Load().rules.Names(program) },
		Keep:    c.keep,
		Owner:   process.ProofOf,
		Known:   c.known,
		Carried: c.carried,
		Moved:   c.moved,
	})
	return nil
}

// keep stores what a file was proven to be. If it cannot be stored, the file is
// read again after the next start.
func (c *Control) keep(i firewall.Identity) {
	if err := c.store.PutIdentities([]firewall.Identity{i}, nil); err != nil {
		slog.Error("a program is not remembered", "program", i.Program, "err", err)
	}
}

// knownPause is how long what a backend has cached about changed files may
// outlive that they are known again: an upgrade replaces many at a time.
const knownPause = 100 * time.Millisecond

// known has everything that was decided about a file decided again as what it
// turned out to be.
func (c *Control) known(old, now firewall.Program) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.engine.Known(old, now)
	if now.Kind == firewall.Changed || c.reapplies {
		return
	}
	c.reapplies = true
	time.AfterFunc(knownPause, func() {
		c.changing.Lock()
		defer c.changing.Unlock()
		c.reapplies = false
		if err := c.apply(); err != nil {
			slog.Error("programs are known again", "err", err)
		}
	})
}

// moved has the rules for a program count for another version of it, which has
// another path.
func (c *Control) moved(from string, to firewall.Identity) {
	c.changing.Lock()
	defer c.changing.Unlock()
	to.Since = to.Since.UTC().Truncate(time.Microsecond)
	u := persistence.Update{Identities: []firewall.Identity{to}}
	for r := range c.state.Load().rules.All() {
		if r.Program == from && !r.Until.Exit {
			r.ID, r.Program, r.Created, r.LastUsed, r.Hits, r.By = "", to.Program, to.Since, time.Time{}, 0, firewall.Author{}
			u.Put = append(u.Put, r)
		}
	}
	if len(u.Put) == 0 {
		return
	}
	if _, err := c.update(by(context.Background(), firewall.WayCarried), u, "rules of "+from+" count for "+to.Program); err != nil {
		slog.Error("another version of a program is not carried over", "program", to.Program, "err", err)
		return
	}
	c.carried(to)
}

// carried logs that another version took the place of a program.
func (c *Control) carried(i firewall.Identity) {
	text := "carried over: " + (firewall.Program{Path: i.Program}).Name()
	if i.Before.Version != i.Proof.Version {
		text += " " + cmp.Or(i.Before.Version, "?") + " → " + cmp.Or(i.Proof.Version, "?")
	}
	if i.Proof.Package != "" && i.Proof.Package == i.Before.Package {
		text += ", package " + i.Proof.Package
	} else {
		text += ", signed by " + i.Proof.Signer
	}
	change := changeBy(by(context.Background(), firewall.WayCarried), text)
	change.Carried = i.Program
	c.journal.Note(change)
}

// Identities returns what is known of the programs that rules name, in the
// order of their names.
func (c *Control) Identities(context.Context) ([]ui.Identity, error) {
	var out []ui.Identity
	for _, i := range c.prover.Identities() {
		one := ui.Identity{
			Program: i.Program, SHA256: i.Proof.SHA256, Package: i.Proof.Package, Version: i.Proof.Version,
			Signer: i.Proof.Signer, Product: i.Proof.Product, Since: i.Since.UTC(), Strict: i.Strict,
			Carried: i.Before != firewall.Proof{}, VersionBefore: i.Before.Version,
		}
		one.About, _ = c.prover.Changed(i.Program)
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b ui.Identity) int { return cmp.Compare(a.Program, b.Program) })
	return out, nil
}

// UndoCarried takes back that another version took the place of a program: it is
// asked about.
func (c *Control) UndoCarried(ctx context.Context, program string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	now, _ := c.prover.Identity(program)
	err := c.prover.Undo(program, func(is ...firewall.Identity) error {
		u := persistence.Update{Identities: is}
		for r := range c.state.Load().rules.All() { // that came with it
			if now.From != "" && r.Program == program && r.Created.Equal(now.Since) {
				u.Remove = append(u.Remove, r.ID)
			}
		}
		_, err := c.update(ctx, u, "undo: another version of "+program+" was carried over")
		return err
	})
	if errors.Is(err, identity.ErrNoChange) {
		return fmt.Errorf("%w: nothing was carried over to %s: list programs with: sallyport programs", ui.ErrNotFound, program)
	}
	return err
}

// putRule stores a rule in the place of old. If a person allows what was not
// allowed before, they mean the file that is there now.
func (c *Control) putRule(ctx context.Context, r, old firewall.Rule, what string) (put []firewall.Rule, err error) {
	store := func(is ...firewall.Identity) (err error) {
		put, err = c.update(ctx, persistence.Update{Put: []firewall.Rule{r}, Identities: is}, what)
		return err
	}
	allowed := old.Verdict == firewall.Allow && !old.Disabled && old.Program == r.Program
	if r.Verdict == firewall.Allow && !r.Disabled && !allowed {
		err = c.prover.AcceptMet(r.Program, store)
	} else {
		err = store()
	}
	return put, err
}

// accept answers a question about a changed program: the file that is there now
// is the program that the rules for it were made for. If they do not
// allow what was asked about, a rule does.
func (c *Control) accept(ctx context.Context, a firewall.Answer, p firewall.Prompt, lasts string) error {
	if a.Scope != firewall.ScopeProgram || lasts != "" && lasts != "always" {
		return fmt.Errorf("%w: the file at %s is another one: allow it as before, always and anywhere, or answer it with: --for once", ui.ErrInvalid, cmp.Or(p.Program.Script, p.Program.Path))
	}
	as := p.Program.Proven()
	var put []firewall.Rule
	err := c.prover.Accept(p.Program, func(is ...firewall.Identity) (err error) {
		first := p.First
		first.Program = as
		u := persistence.Update{Identities: is}
		d, ok := c.state.Load().rules.Decide(first)
		if ok && d.Verdict == firewall.Allow {
			a.Rule = &d.Rule
		} else {
			u.Put = []firewall.Rule{p.Rule(firewall.Allow, firewall.ScopeProgram)}
		}
		put, err = c.update(ctx, u, "answer: allow "+cmp.Or(p.Program.Script, p.Program.Path)+" as before, "+p.Program.Why)
		return err
	})
	switch {
	case errors.Is(err, identity.ErrGone):
		return fmt.Errorf("%w: %w", ui.ErrNotFound, err)
	case err != nil && c.isChanged(as): // it was not stored
		a.Rule = nil
		if once := c.once(ctx, a, p); once != nil {
			return once
		}
		return fmt.Errorf("%w: %w", ui.ErrNotStored, err)
	case len(put) > 0:
		a.Rule = &put[0].ID
	}
	if failed := c.engine.Answer(a); failed != nil && !errors.Is(failed, firewall.ErrNoPrompt) {
		return failed
	}
	for _, asked := range c.engine.Prompts() { // a script may be asked about by each of its interpreters
		if asked.Program.ID() == as.ID() && asked.Program.File == p.Program.File {
			c.engine.Known(asked.Program, asked.Program.Proven())
		}
	}
	return err
}

func (c *Control) isChanged(p firewall.Program) bool {
	_, changed := c.prover.Changed(p.ID())
	return changed
}
