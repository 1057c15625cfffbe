package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// update stores a change with a line that says who made it, and puts it into
// force. The caller holds c.changing.
func (c *Control) update(ctx context.Context, u persistence.Update, what string) ([]firewall.Rule, error) {
	u.Put = slices.Clone(u.Put)
	for i, r := range u.Put {
		var ended bool
		if r.Until, ended = c.clock.anchor(r.Until, r.Created, r.Verdict); ended && r.Until.Restart() {
			return nil, fmt.Errorf("%w: until restart: this computer does not tell its starts apart", ui.ErrInvalid)
		}
		u.Put[i].Until = r.Until
		if err := validate(r); err != nil {
			return nil, err
		}
	}
	for i := range u.Put {
		if r := &u.Put[i]; r.ID == "" && r.By == (firewall.Author{}) {
			r.By = author(ctx)
		}
	}
	put, err := c.journal.Update(u, changeBy(ctx, what))
	if err != nil {
		return nil, err
	}
	for _, i := range u.Identities {
		c.prover.Put(i)
	}
	st := *c.state.Load()
	st.change(u)
	if len(u.Settings) > 0 {
		if st.settings, err = c.store.Settings(); err != nil {
			return nil, err
		}
	}
	if len(u.Networks)+len(u.Forget) > 0 {
		zones, err := c.zones()
		if err != nil {
			return nil, err
		}
		st.rules = st.rules.In(zones)
	}
	return put, c.enforce(ctx, &st, put, u.Remove, what)
}

// enforce puts what is stored into force: rules by what changed of them, mode
// and settings as in st. What it costs depends on the change, not on how many
// rules there are. A failure is noted: the log has the change already.
func (c *Control) enforce(ctx context.Context, st *state, put []firewall.Rule, remove []firewall.RuleID, what string) error {
	rules, err := c.state.Load().rules.Change(put, remove)
	if err != nil {
		return fmt.Errorf("put the stored rules into force: %w", err)
	}
	st.rules = rules.In(st.rules.Zones())
	old := c.state.Swap(st)
	c.engine.SetRules(st.rules)
	if st.mode != old.mode {
		c.engine.SetMode(st.mode)
	}
	if st.settings.Patience != old.settings.Patience {
		c.engine.SetPatience(st.settings.Patience)
	}
	for _, id := range remove {
		c.expiry.remove(id)
	}
	for _, r := range put {
		c.expiry.put(r)
	}
	c.expiry.mode(st.timed.Until)
	err = c.apply() // before anybody is told, and looks at all the rules
	if err != nil {
		c.note(ctx, what+": "+err.Error())
	}
	c.hub.changed()
	return err
}

// note logs what is not stored with its line.
func (c *Control) note(ctx context.Context, what string) { c.journal.Note(changeBy(ctx, what)) }

// changeBy is a change of now by whoever ctx says.
func changeBy(ctx context.Context, what string) persistence.Change {
	a := author(ctx)
	change := persistence.Change{Time: time.Now(), UID: os.Getuid(), PID: os.Getpid(), Text: what, Way: a.Way, User: a.User, Automatic: automatic(a.Way)}
	if p, ok := link.PeerFrom(ctx); ok {
		change.UID, change.PID, change.Program = p.UID, p.PID, p.Program
	} else {
		change.Program, _ = os.Executable()
	}
	return change
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
