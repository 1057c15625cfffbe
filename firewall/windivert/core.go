package windivert

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/names"
	"sallyport.dev/sallyport/firewall/packet"
)

// joinPatience is how long a packet waits for the event that tells whose it is.
// The reading order of two handles is not guaranteed.
const joinPatience = 100 * time.Millisecond

// maxDatagramsHeld is how many packets wait of a flow that is not TCP: as
// many as a program sends before it waits for an answer.
const maxDatagramsHeld = 4

// addrSet is a set of addresses without zones.
type addrSet map[netip.Addr]bool

// core joins packets with socket events and decides them. All of it belongs to
// the worker, which calls its methods one after the other; none of them waits
// for anybody but the driver.
type core struct {
	log    *slog.Logger
	sink   firewall.Sink
	limits Limits
	inject func([]byte, address) error

	policy    firewall.Policy
	handing   bool   // networking is handed back: what would be asked about passes
	epoch     uint64 // changes with all that decisions depend on, but for names
	renamed   uint64 // how often the name of an address changed
	resolvers *atomic.Pointer[addrSet]
	places    *addrSet // the resolvers that the epoch is of
	names     *names.Table

	older     map[localSocket]bool // sockets of UDP of before the first event
	flows     *flows
	datagrams *datagrams
	cache     *cache
	journal   *journal
	joining   []joining      // packets that wait for their event, first to end first
	asked     map[*flow]bool // flows that the engine has
	packets   int            // that wait
	bytes     int            // of them

	tasks    chan<- task
	holds    *mailbox[hold]
	releases *mailbox[release]
	results  *mailbox[result]

	lost      func(uint64)  // counts events for which there is no room
	overflown atomic.Uint64 // packets that found a table full
	failed    atomic.Uint64 // packets that the driver did not take
}

func newCore(config Config, sink firewall.Sink, inject func([]byte, address) error, t *teller, a *attributor) *core {
	c := &core{
		log: config.Log, sink: sink, limits: config.Limits, inject: inject,
		resolvers: &a.resolvers, places: a.resolvers.Load(),
		older: make(map[localSocket]bool), flows: newFlows(config.Limits.Flows), datagrams: newDatagrams(), cache: newCache(config.Limits.Cached),
		journal: newJournal(t), asked: make(map[*flow]bool),
		tasks: a.tasks, holds: t.holds, releases: newMailbox[release](a.wake), results: a.results,
		lost: t.lose,
	}
	c.names = names.NewTable(names.Options{
		IsResolver: a.isResolver,
		Changed:    func(netip.Addr) { c.renamed++ },
	})
	return c
}

// localSocket is what the system's tables know a socket of UDP by.
type localSocket struct {
	protocol firewall.Protocol
	port     uint16
}

func socketOf(f firewall.Flow) localSocket { return localSocket{f.Protocol, f.Local.Port()} }

// joining is a flow that waits for its event.
type joining struct {
	flow *flow
	at   time.Time
}

// packet decides a packet, or lets it wait.
func (c *core) packet(b []byte, a *address, now time.Time) {
	if !a.outbound() {
		c.inbound(b, a, now)
		return
	}
	var d *datagram
	if f, ok := fragmentOf(b); ok {
		if f.offset != 0 {
			c.laterFragment(b, a, &f, now)
			return
		}
		if d = c.firstFragment(f.fragmentKey, now); d == nil {
			c.overflow(b, firewall.Out, now)
			return
		}
	}
	p, err := packet.Parse(b, firewall.Out)
	if err != nil {
		c.settle(d, false)
		c.senseless(firewall.Flow{}, now)
		return
	}
	key := flowKey{Flow: p.Flow}
	var sequence uint32
	switch p.Flow.Protocol {
	case firewall.TCP:
		if !p.Opens() {
			// Only a fragment of an established connection gets here.
			c.pass(b, a, d, c.policy.Mode != firewall.ModeLock)
			return
		}
		sequence = sequenceOf(p)
	case firewall.ICMP:
		if key.kernel = !echoRequest(p); !key.kernel {
			key.ICMP = 0 // its event does not tell the type
		}
	case firewall.UDP:
		if p.Flow.Remote.Port() == dnsPort {
			c.names.See(p)
		}
	}
	f := c.flowOf(key, sequence, now)
	if f == nil {
		c.settle(d, false)
		c.overflow(b, firewall.Out, now)
		return
	}
	c.judge(f, b, a, d, now)
}

// flowOf finds or makes the flow of an outgoing packet; nil if there is no
// room.
func (c *core) flowOf(key flowKey, sequence uint32, now time.Time) *flow {
	f := c.flows.byKey[key]
	var renewed time.Time
	var pid uint32
	var endpoint uint64
	if f != nil && key.Protocol == firewall.TCP && f.opened && f.sequence != sequence {
		// Another connection from the same port: its event is another one, of
		// the same socket or not.
		if !f.closed {
			renewed, pid, endpoint = f.renewed, f.pid, f.endpoint
		}
		c.abandon(f)
		f = nil
	}
	if f != nil && f.stage == known && !f.joined && !f.closed && now.After(f.until) {
		c.checkAgain(f, now)
	}
	if f == nil {
		if f = c.flows.add(key); f == nil {
			return nil
		}
		switch {
		case key.kernel:
			f.stage, f.joined = known, true
			f.attempt.Program = firewall.Program{Kind: firewall.Kernel}
		case !renewed.IsZero():
			f.pid = pid
			c.flows.join(f, endpoint)
			c.identify(f, task{pid: pid, seen: renewed})
		case key.Direction == firewall.In, c.older[socketOf(key.Flow)]:
			c.identify(f, task{owned: true, seen: now}) // no event will come
		default:
			c.joining = append(c.joining, joining{f, now.Add(joinPatience)})
		}
	}
	if key.Protocol == firewall.TCP {
		f.opened, f.sequence = true, sequence
	}
	return f
}

// judge decides a packet of a flow. Nothing is allocated for a flow that is
// decided.
func (c *core) judge(f *flow, b []byte, a *address, d *datagram, now time.Time) {
	if f.stage != known || f.asked {
		c.wait(f, b, a, d, now)
		return
	}
	if !f.verdict.holds(c.epoch, c.renamed, now) {
		if f.key.Protocol == firewall.TCP && !f.refused.IsZero() && now.Sub(f.refused) < retried {
			c.refuse(f, b, a, d)
			return
		}
		if f.provisional {
			c.wait(f, b, a, d, now)
			c.identify(f, task{pid: f.pid, owned: !f.joined, seen: f.attempt.Started})
			return
		}
		if !c.decide(f, now) {
			c.wait(f, b, a, d, now)
			c.ask(f, now)
			return
		}
	}
	c.note(f, now)
	c.carryOut(f, b, a, d, f.verdict.Verdict)
}

// decide looks for what is decided about a flow, and remembers it.
func (c *core) decide(f *flow, now time.Time) bool {
	a := &f.attempt
	a.Time, a.Place = now, placeOf(f.key.Flow, *c.places)
	a.Host, a.Zone = c.names.Lookup(a.Remote.Addr()), c.policy.Zones.Of(a.Remote.Addr())
	if a.Direction == firewall.In && c.policy.Inbound {
		c.remember(f, firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByMode})
		f.logged, f.line = true, nil
		return true
	}
	d, ok := c.cache.find(a)
	if !ok {
		d, ok = c.sink.Judge(*a)
		if ok && d.Reason != firewall.Stopping {
			d = c.store(a, d)
		}
	}
	if !ok && f.answered {
		d, ok = f.answer, true
	}
	if !ok && c.handing {
		d, ok = firewall.Decision{Verdict: firewall.Allow, Reason: firewall.HandedBack}, true
	}
	if ok {
		c.remember(f, d)
	}
	return ok
}

// store remembers a decision for other flows, as long as what it depends on
// stays as it is, and returns it with that end.
func (c *core) store(a *firewall.Attempt, d firewall.Decision) firewall.Decision {
	if d.Bounds.Host {
		host, until := c.names.Known(a.Remote.Addr())
		if host != a.Host {
			d.Scope, d.Bounds.Until = firewall.ThisFlow, a.Time // it changed meanwhile
			return d
		}
		if !until.IsZero() && (d.Bounds.Until.IsZero() || until.Before(d.Bounds.Until)) {
			d.Bounds.Until = until
		}
	}
	c.cache.put(a, d)
	return d
}

// remember has a decision count for more packets of the flow.
func (c *core) remember(f *flow, d firewall.Decision) {
	if f.logged && f.verdict.Verdict != d.Verdict {
		f.logged = false
	}
	f.verdict = verdict{Decision: d, known: d.Reason != firewall.Stopping, epoch: c.epoch, names: c.renamed}
	f.refused = time.Time{}
}

// note counts a packet of a decided flow for the log: each flow that passes is
// a line or a part of one, and so is each datagram that is blocked. A segment
// sent again is the same attempt.
func (c *core) note(f *flow, now time.Time) {
	again := f.key.Protocol != firewall.TCP && f.verdict.Verdict == firewall.Block
	switch {
	case f.logged && !again:
	case f.line != nil && f.line.open && again:
		f.line.entry.Count++
	case again || !f.logged:
		l := c.journal.add(&f.attempt, f.verdict.Decision, now)
		f.logged, f.line = true, nil
		if again {
			f.line = l
		}
	}
}

// echoRequest tells whether an ICMP packet is one that programs send. All else
// the network stack sends by itself: errors, answers, neighbour discovery.
func echoRequest(p packet.Packet) bool {
	if p.Flow.Local.Addr().Is4() {
		return p.ICMPType == 8
	}
	return p.ICMPType == 128
}

const dnsPort = 53
