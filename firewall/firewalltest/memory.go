package firewalltest

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// Memory is a [firewall.Backend] for programs that exist in memory only: they
// dial by calling Dial. It caches decisions as their scope and bounds permit,
// as a backend in a kernel does. While it does not run, everything passes.
type Memory struct {
	mu          sync.Mutex
	sink        firewall.Sink // nil while it does not run
	policy      firewall.Policy
	generation  int // counts calls of Apply
	cache       map[cached]firewall.Decision
	connections map[*Connection]bool // held or established
}

// cached is what a decision is remembered by: what the attempts have in common
// for which it holds. What does not matter is zero.
type cached struct {
	firewall.Question
	scope    firewall.Scope
	bounds   firewall.Bounds // without its end
	protocol firewall.Protocol
	icmp     uint16
	remote   netip.AddrPort
	pid      int
	started  int64 // in ns, as times that are the same may differ as values
	host     string
	zone     firewall.Zone
}

// NewMemory makes a backend that does not run yet.
func NewMemory() *Memory {
	return &Memory{cache: make(map[cached]firewall.Decision), connections: make(map[*Connection]bool)}
}

// Run filters until ctx ends. See [firewall.Backend].
func (m *Memory) Run(ctx context.Context, sink firewall.Sink, ready func()) error {
	m.mu.Lock()
	if m.sink != nil {
		m.mu.Unlock()
		return errors.New("run memory backend: it runs already")
	}
	m.sink = sink
	m.mu.Unlock()
	ready()
	<-ctx.Done()
	m.mu.Lock()
	m.sink = nil
	clear(m.cache)
	open := m.policy.FailOpen
	m.mu.Unlock()
	if open && !errors.Is(context.Cause(ctx), firewall.ErrHandOver) {
		sink.HandBack()
	}
	return nil
}

// Apply forgets every cached decision and cuts what is blocked now. See
// [firewall.Backend].
func (m *Memory) Apply(p firewall.Policy) error {
	m.mu.Lock()
	m.policy = p
	m.generation++
	clear(m.cache)
	sink := m.sink
	var established []*Connection
	for c := range m.connections {
		if c.decided() {
			established = append(established, c)
		}
	}
	m.mu.Unlock()
	if sink == nil {
		return nil
	}
	for _, c := range established {
		if d, ok := sink.Judge(c.Attempt); ok && d.Verdict == firewall.Block {
			c.Close()
		}
	}
	return nil
}

// Policy returns what was applied last.
func (m *Memory) Policy() firewall.Policy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.policy
}

// Stats says that nothing is enforced. See [firewall.Backend].
func (m *Memory) Stats() firewall.Stats {
	return firewall.Stats{Backend: "memory", Notes: []string{"programs are simulated: nothing on this computer is filtered"}}
}

// Dial has a program try to open a flow. It returns at once if the flow is
// decided, otherwise the connection is held.
func (m *Memory) Dial(a firewall.Attempt) *Connection {
	a.Flow = a.Flow.Normal()
	c := &Connection{Attempt: a, memory: m, known: make(chan struct{}), gone: make(chan struct{}), closed: make(chan struct{})}
	m.mu.Lock()
	sink := m.sink
	d, ok := m.lookUp(a)
	if sink == nil {
		d, ok = firewall.Decision{Verdict: firewall.Allow}, true
	} else {
		m.connections[c] = true
	}
	m.mu.Unlock()
	if !ok {
		c.Resend()
		return c
	}
	c.decide(d)
	if sink != nil {
		if a.Time.IsZero() {
			a.Time = time.Now() // an engine does so for those that it is asked about
		}
		sink.Decided(firewall.Entry{Attempt: a, Decision: d, Count: 1})
	}
	return c
}

// lookUp finds a cached decision; m.mu is held.
func (m *Memory) lookUp(a firewall.Attempt) (d firewall.Decision, ok bool) {
	a.Zone = m.policy.Zones.Of(a.Remote.Addr())
	for _, scope := range []firewall.Scope{firewall.ThisProgram, firewall.ThisDestination} {
		for i := range 8 {
			bounds := firewall.Bounds{Zone: i&1 != 0, Host: i&2 != 0, Process: i&4 != 0}
			d, ok = m.cache[cacheKey(a, scope, bounds)]
			if until := d.Bounds.Until; ok && (until.IsZero() || time.Now().Before(until)) {
				return d, true
			}
		}
	}
	return d, false
}

// released stores a decision that the sink made in this generation.
func (m *Memory) released(a firewall.Attempt, d firewall.Decision, generation int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sink != nil && generation == m.generation && d.Reason != firewall.Gone && d.Scope != firewall.ThisFlow {
		a.Zone = m.policy.Zones.Of(a.Remote.Addr())
		m.cache[cacheKey(a, d.Scope, d.Bounds)] = d
	}
}

func cacheKey(a firewall.Attempt, scope firewall.Scope, bounds firewall.Bounds) cached {
	bounds.Until = time.Time{}
	key := cached{Question: firewall.Question{Program: a.Program, Direction: a.Direction}, scope: scope, bounds: bounds}
	if scope == firewall.ThisDestination {
		key.protocol, key.remote, key.icmp = a.Protocol, a.Destination(), a.ICMP
	}
	if bounds.Process {
		key.pid, key.started = a.PID, a.Started.UnixNano()
	}
	if bounds.Host {
		key.host = a.Host
	}
	if bounds.Zone {
		key.zone = a.Zone
	}
	return key
}
