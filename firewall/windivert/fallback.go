package windivert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/wfp"
)

// retryRules is how long what the guard refused waits to be tried again: its
// service may start after ours.
const retryRules = 30 * time.Second

// guard keeps rules in force that outlive this process. A [wfp.Guard] is one.
type guard interface {
	// Override permits what the rules block until it is closed, or the process
	// ends. A second one is the first one again.
	Override() (io.Closer, error)
	// Apply puts exactly these rules into force.
	Apply(context.Context, []wfp.Rule) (wfp.Change, error)
	// Remove takes away all rules, and the override once they have gone.
	Remove() (removed []string, err error)
}

var errNoGuard = errors.New("nothing here outlives the engine")

// fallback keeps in force what holds while no engine runs, as the newest policy
// says: rules of the guard's if it fails closed, nothing if it fails open.
// want and notes are for any goroutine; one at a time calls the rest, with no
// lock that the engine needs.
type fallback struct {
	guard     guard // nil where nothing outlives the process
	judge     func(firewall.Attempt) (firewall.Decision, bool)
	resolvers *atomic.Pointer[addrSet]
	log       *slog.Logger
	wake      chan struct{} // has an item when what the rules are made of changed

	override io.Closer
	removed  bool // nothing of ours is left

	mu     sync.Mutex
	policy firewall.Policy
	closed bool  // the rules of a policy are in force
	err    error // why what was last to be in force is not
}

func newFallback(g guard, p firewall.Policy, sink firewall.Sink, a *attributor, log *slog.Logger) *fallback {
	f := &fallback{guard: g, policy: p, judge: sink.Judge, resolvers: &a.resolvers, log: log, wake: make(chan struct{}, 1)}
	a.planned = f.wake
	return f
}

// want makes the newest policy known.
func (f *fallback) want(p firewall.Policy) {
	f.mu.Lock()
	f.policy = p
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run puts into force what changed, until ctx ends.
func (f *fallback) run(ctx context.Context) {
	for {
		var retry <-chan time.Time
		if f.trouble() != nil && f.guard != nil {
			retry = time.After(retryRules)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-retry:
		}
		f.put(ctx)
	}
}

// put puts into force what the newest policy says.
func (f *fallback) put(ctx context.Context) {
	f.mu.Lock()
	p, before := f.policy, f.err
	f.mu.Unlock()
	rules, skipped := f.plan(p)
	var err error
	if len(rules) == 0 {
		err = f.open()
	} else {
		err = f.close(ctx, rules, skipped)
	}
	f.mu.Lock()
	f.closed, f.err = len(rules) > 0 && err == nil, err
	f.mu.Unlock()
	if err != nil && ctx.Err() == nil && (before == nil || before.Error() != err.Error()) {
		f.log.Error(f.notes()[0])
	}
}

func (f *fallback) plan(p firewall.Policy) (rules []wfp.Rule, skipped []string) {
	of := wfp.Policy{Mode: p.Mode, FailOpen: p.FailOpen}
	if !p.FailOpen {
		of.Allowed, of.Blocked = wfp.Programs(p.Programs, f.judge)
		of.Resolvers = slices.Collect(maps.Keys(*f.resolvers.Load()))
	}
	return wfp.Plan(of)
}

// close puts rules into force, below what the engine permits.
func (f *fallback) close(ctx context.Context, rules []wfp.Rule, skipped []string) (err error) {
	if f.guard == nil {
		return errNoGuard
	}
	f.removed = false
	// The rules without it would block what the engine allows.
	if f.override, err = f.guard.Override(); err != nil {
		f.override = nil
		return err
	}
	c, err := f.guard.Apply(ctx, rules)
	if err == nil && c.Added+c.Removed > 0 {
		f.log.Info("what holds without an engine changed", "added", c.Added, "removed", c.Removed, "skipped", append(skipped, c.Skipped...))
	}
	return err
}

// open removes all rules, also those of an earlier engine.
func (f *fallback) open() error {
	if f.guard == nil || f.removed {
		return nil
	}
	removed, err := f.guard.Remove()
	if len(removed) > 0 {
		f.log.Info("removed what blocked without an engine", "removed", removed)
	}
	if err != nil {
		return fmt.Errorf("remove what blocks without an engine: %w", err)
	}
	f.removed, f.override = true, nil
	return nil
}

// leave has the newest rules hold from now on.
func (f *fallback) leave() error {
	if len(f.wake) > 0 || f.trouble() != nil {
		f.put(context.Background())
	}
	if f.override == nil {
		return nil
	}
	return f.override.Close()
}

func (f *fallback) trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// notes say what a person should know of the end of an engine.
func (f *fallback) notes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil && (f.policy.FailOpen || f.policy.Mode == firewall.ModeOff):
		return []string{fmt.Sprintf("without an engine programs may be blocked: %v", f.err)}
	case f.err != nil:
		return []string{fmt.Sprintf("fail closed is not in force: %v", f.err)}
	case f.policy.FailOpen:
		return []string{"fail open: if the engine ends by itself, everything passes, also what rules block"}
	case f.policy.Mode == firewall.ModeOff:
		return nil
	case !f.closed:
		return []string{"fail closed is not in force yet"}
	}
	return []string{wfp.NotShown}
}

// without says what holds once the driver is lost.
func (f *fallback) without() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return "fail closed: until an engine runs, only what rules allow passes"
	case f.err != nil && !f.policy.FailOpen:
		return fmt.Sprintf("fail closed is not in force: %v", f.err)
	}
	return "everything passes until an engine runs"
}
