package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"sallyport.dev/sallyport/app/link"
	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/persistence"
	"sallyport.dev/sallyport/ui"
)

// maxPending bounds the log lines kept for a watcher that is slow.
const maxPending = 4096

// hub tells every watcher what changed. Nobody who tells it something waits:
// states are kept as the newest one, lines in a bounded buffer for each
// watcher.
type hub struct {
	control *Control
	wake    chan struct{} // something for run
	facts   *facts

	mu       sync.Mutex
	newest   []firewall.Prompt // as the engine said last
	dirty    bool              // newest is not shown yet
	reread   bool              // watchers are about to be told to read the rules
	counts   bool              // counters changed since the last status
	shown    []shownPrompt     // newest with the facts
	active   string            // the login session in front of the person, "" if not known
	watchers map[*watching]struct{}
}

type shownPrompt struct {
	ui.Prompt
	uid int
}

// watching is one call of Watch.
type watching struct {
	peer    link.Peer
	wake    chan struct{}
	prompts bool
	status  bool
	rules   bool
	log     []ui.LogLine
	lost    int
}

func newHub(c *Control) *hub {
	h := &hub{control: c, wake: make(chan struct{}, 1), watchers: map[*watching]struct{}{}}
	h.facts = newFacts(func(pid int, started time.Time, by string) { c.engine.Started(pid, started, by) }, h.again)
	return h
}

// again has the prompts shown once more: more is known about them.
func (h *hub) again() {
	h.mu.Lock()
	h.dirty = true
	h.mu.Unlock()
	poke(h.wake)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// prompts takes the engine's open prompts, on its goroutine.
func (h *hub) prompts(ps []firewall.Prompt) {
	h.facts.keep(ps)
	h.mu.Lock()
	h.newest, h.dirty = ps, true
	h.mu.Unlock()
	poke(h.wake)
}

func (h *hub) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.newest)
}

func (h *hub) counted() {
	h.mu.Lock()
	h.counts = true
	h.mu.Unlock()
}

// tell changes what is pending for every watcher and wakes it.
func (h *hub) tell(change func(*watching)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellLocked(change)
}

func (h *hub) tellLocked(change func(*watching)) {
	for w := range h.watchers {
		change(w)
		poke(w.wake)
	}
}

// rulesPause is how long after a change watchers are told to read the rules
// again. All of them may be ten thousand, and reading them would compete with
// the flow that the change has just released.
const rulesPause = 100 * time.Millisecond

// changed tells that rules, mode or settings are other ones now.
func (h *hub) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellLocked(func(w *watching) { w.status = true })
	if !h.reread {
		h.reread = true
		time.AfterFunc(rulesPause, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reread = false
			h.tellLocked(func(w *watching) { w.rules = true })
		})
	}
}

// written takes lines that are in the log now.
func (h *hub) written(lines []persistence.Line) {
	h.mu.Lock()
	alone := len(h.watchers) == 0
	h.mu.Unlock()
	if alone {
		return
	}
	out := make([]ui.LogLine, len(lines))
	for i, l := range lines {
		out[i] = lineOut(l)
	}
	h.counted() // programs that were seen are stored with the lines
	h.tell(func(w *watching) {
		room := max(maxPending-len(w.log), 0)
		if room < len(out) {
			w.lost += len(out) - room
		}
		w.log = append(w.log, out[:min(room, len(out))]...)
	})
}

// run adds the facts of processes to new prompts, which may take a moment, and
// tells counters once a second.
func (h *hub) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
			h.show()
		case <-tick.C:
			h.refresh()
		}
	}
}

func (h *hub) show() {
	h.mu.Lock()
	prompts, dirty := h.newest, h.dirty
	h.dirty = false
	h.mu.Unlock()
	if !dirty {
		return
	}
	shown := h.withFacts(prompts)
	session := h.session(len(shown))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown, h.active = shown, session
	h.tellLocked(func(w *watching) { w.prompts, w.status = true, true })
}

func (h *hub) refresh() {
	h.follow()
	h.mu.Lock()
	newest, shown := h.newest, h.shown
	h.mu.Unlock()
	for i, p := range newest {
		if i < len(shown) && shown[i].ID == string(p.ID) && !shown[i].Ended && ended(p) {
			h.again()
			break
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts {
		h.counts = false
		h.tellLocked(func(w *watching) { w.status = true })
	}
}

// withFacts shows prompts with what is known of their processes.
func (h *hub) withFacts(prompts []firewall.Prompt) []shownPrompt {
	shown := make([]shownPrompt, len(prompts))
	for i, known := range h.facts.about(prompts) {
		out := promptOut(prompts[i], known)
		if p := prompts[i].Program; p.Kind == firewall.Executable {
			if other := h.control.prover.Resembles(p.Path); other != "" {
				out.Warnings = append(slices.Clip(out.Warnings), "it looks like another version of "+shortPath(other)+", but nothing proves that")
			}
		}
		shown[i] = shownPrompt{out, prompts[i].First.UID}
	}
	return shown
}

// shortPath is a path, or its last part if it is too long for a sentence.
func shortPath(path string) string {
	if len(path) > 200 {
		return firewall.Program{Path: path}.Name()
	}
	return path
}

// watch calls on for each change until ctx ends.
func (h *hub) watch(ctx context.Context, on func(ui.Event)) error {
	w := &watching{wake: make(chan struct{}, 1), prompts: true, status: true}
	w.peer, _ = link.PeerFrom(ctx)
	h.mu.Lock()
	h.watchers[w] = struct{}{}
	// Who is to ask may be another one now.
	h.tellLocked(func(w *watching) { w.prompts = true })
	h.mu.Unlock()
	h.again()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, w)
		h.tellLocked(func(w *watching) { w.prompts = true })
		h.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
		for _, e := range h.take(ctx, w) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			on(e)
		}
	}
}

// take returns what is pending for w.
func (h *hub) take(ctx context.Context, w *watching) (events []ui.Event) {
	h.mu.Lock()
	log, lost, rules, prompts, status := w.log, w.lost, w.rules, w.prompts, w.status
	w.log, w.lost, w.rules, w.prompts, w.status = nil, 0, false, false, false
	if prompts {
		ps := make([]ui.Prompt, len(h.shown))
		for i, p := range h.shown {
			ps[i] = p.Prompt
			ps[i].Here = h.here(w, p.uid)
		}
		events = append(events, ui.Event{Prompts: &ps})
	}
	h.mu.Unlock()
	if status {
		if s, err := h.control.Status(ctx); err == nil {
			events = append(events, ui.Event{Status: &s})
		}
	}
	if rules {
		events = append(events, ui.Event{Rules: true})
	}
	if len(log) > 0 || lost > 0 {
		events = append(events, ui.Event{Log: log, Lost: lost})
	}
	return events
}

// Prompts returns all open prompts.
func (c *Control) Prompts(ctx context.Context) ([]ui.Prompt, error) {
	shown := c.hub.withFacts(c.engine.Prompts())
	out := make([]ui.Prompt, len(shown))
	for i, p := range shown {
		out[i] = p.Prompt
	}
	return out, nil
}
