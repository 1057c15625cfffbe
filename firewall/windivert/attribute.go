package windivert

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

const (
	// attributors ask the system at the same time: one slow disk must not keep
	// all other programs waiting.
	attributors = 4
	maxTasks    = 16384
)

// task is a question to the system: whose is a flow?
type task struct {
	flow   *flow // the worker's
	ticket uint64
	of     firewall.Flow
	pid    uint32    // as an event says
	owned  bool      // no event says it: the system's tables may
	seen   time.Time // when the event or packet was read
}

// result answers a task.
type result struct {
	flow    *flow
	ticket  uint64
	pid     uint32
	program firewall.Program
	started time.Time
	uid     int
	nobody  bool   // there is no socket for what comes from outside
	by      string // what started the process, where rules depend on it
	sid     string // its user, where rules depend on it
	// provisional tells that more may become known of the program.
	provisional bool
}

// release is a decision of the engine's.
type release struct {
	flow     *flow
	decision firewall.Decision
}

// hold is a flow that the engine is to decide.
type hold = firewall.Held

// attributor answers tasks, off the path of packets.
type attributor struct {
	system    system
	prove     firewall.Identify               // nil: every file is the program of its path
	learnt    func(old, now firewall.Program) // tells the engine what became known late
	tasks     chan task
	results   *mailbox[result]
	resolvers atomic.Pointer[addrSet]
	starters  atomic.Bool     // rules depend on what started a process
	signers   atomic.Bool     // rules depend on who signed a program
	users     atomic.Bool     // rules depend on the user of a process
	wake      chan struct{}   // the worker's
	planned   chan<- struct{} // the fallback's; nil: nobody plans with resolvers
	settling  sync.WaitGroup  // what is answered later
	ended     chan struct{}   // closed when nothing more is to be learnt
}

func newAttributor(s system, wake chan struct{}) *attributor {
	a := &attributor{system: s, tasks: make(chan task, maxTasks), results: newMailbox[result](wake), wake: wake, ended: make(chan struct{})}
	a.resolvers.Store(&addrSet{})
	a.refresh()
	return a
}

// follow makes known what a policy lets depend on programs.
func (a *attributor) follow(p firewall.Policy) {
	a.starters.Store(p.Starters)
	a.signers.Store(p.Signers)
	a.users.Store(p.Users)
}

// run answers until no more tasks come.
func (a *attributor) run() {
	defer a.settling.Wait()
	for t := range a.tasks {
		// A resolver counts from its first packet on.
		if t.of.Remote.Port() == dnsPort && !a.isResolver(t.of.Remote.Addr()) {
			a.refresh()
		}
		r := result{flow: t.flow, ticket: t.ticket, pid: t.pid, uid: -1}
		ok := !t.owned
		if t.owned {
			// What the table says is of now, however old the packet is.
			r.pid, ok = a.system.owner(t.of)
			t.seen = time.Now()
		}
		if !ok || r.pid == 0 && t.owned {
			r.pid, r.program = 0, unknownProgram(t.of)
			r.nobody = !ok && t.of.Direction == firewall.In
			a.results.put(r)
			continue
		}
		running, uid := a.system.identify(r.pid, t.of, t.seen)
		r.started, r.uid = running.Started, uid
		if a.starters.Load() {
			r.by = process.StarterOf(int(r.pid), r.started)
		}
		if a.users.Load() {
			r.sid = process.UserOf(int(r.pid), r.started)
		}
		var settled <-chan struct{}
		if r.program, settled = a.proven(running); settled == nil && running.Verified == nil {
			a.results.put(r)
			continue
		}
		a.settling.Go(func() { a.settle(r, running, settled) })
	}
}

// unknownProgram is the program of a flow that nobody can be found for. Each
// socket is asked about on its own.
func unknownProgram(f firewall.Flow) firewall.Program {
	return firewall.Program{File: fmt.Sprintf("%s %s", f.Protocol, f.Local), Why: "its process is not known"}
}

func (a *attributor) isResolver(addr netip.Addr) bool {
	return (*a.resolvers.Load())[addr.Unmap().WithZone("")]
}

// refresh reads the configured resolvers again.
func (a *attributor) refresh() {
	now := make(addrSet)
	for _, addr := range a.system.resolvers() {
		now[addr.Unmap().WithZone("")] = true
	}
	before := a.resolvers.Load()
	if maps.Equal(*before, now) || !a.resolvers.CompareAndSwap(before, &now) {
		return
	}
	for _, wake := range [...]chan<- struct{}{a.wake, a.planned} {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}
