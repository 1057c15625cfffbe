package names

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// Options are a table's settings and limits. Zero values take the defaults.
type Options struct {
	// IsResolver tells whose answers count; nil trusts nobody.
	IsResolver func(netip.Addr) bool
	// Changed is called after the name of an address changed: decisions that a
	// backend remembers for the address may rest on a host rule. It runs on
	// the goroutine of [Table.See] and may call the table.
	Changed func(addr netip.Addr)
	// MaxAddresses bounds the names remembered; the ones answered longest ago
	// go first. 16384, at most about 5 MiB.
	MaxAddresses int
	// MaxQuestions is how many of the last questions can still be answered.
	// 4096.
	MaxQuestions int
	// MinAge and MaxAge bound how long a name is remembered, whatever the
	// answer says. 30 minutes, since programs connect again long after they
	// asked; 24 hours.
	MinAge, MaxAge time.Duration
	// Patience is how long a question waits for its answer. 30 seconds, longer
	// than the resolver libraries wait.
	Patience time.Duration
}

const dnsPort = 53

// Table maps addresses to the names that were asked for. All methods may be
// called from any goroutine.
type Table struct {
	options Options

	mu         sync.Mutex
	questions  questions
	names      map[netip.Addr]*list.Element
	namesByUse *list.List // of *named, answered longest ago in front
}

type named struct {
	addr  netip.Addr
	name  string
	until time.Time
}

// NewTable makes an empty table.
func NewTable(o Options) *Table {
	if o.IsResolver == nil {
		o.IsResolver = func(netip.Addr) bool { return false }
	}
	if o.Changed == nil {
		o.Changed = func(netip.Addr) {}
	}
	defaults(&o.MaxAddresses, 16384)
	defaults(&o.MaxQuestions, 4096)
	defaults(&o.MinAge, 30*time.Minute)
	defaults(&o.MaxAge, 24*time.Hour)
	defaults(&o.Patience, 30*time.Second)
	return &Table{options: o,
		questions: newQuestions(o.MaxQuestions),
		names:     map[netip.Addr]*list.Element{}, namesByUse: list.New()}
}

func defaults[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// See takes a packet to or from port 53, in either direction: of the program
// that asks, or of the resolver where it runs on this computer. Anything but
// a question to a configured resolver or its answer is ignored.
func (t *Table) See(p packet.Packet) {
	f := p.Flow
	if f.Direction == firewall.In {
		f.Local, f.Remote = f.Remote, f.Local
	}
	// f is now from sender to receiver.
	message := p.Payload
	switch {
	case p.Fragment:
		return
	case f.Protocol == firewall.TCP:
		if len(message) < 2 {
			return
		}
		message = message[2:] // RFC 1035, 4.2.2: the length of the message
	case f.Protocol != firewall.UDP:
		return
	}
	if isReply(message) {
		f.Local, f.Remote = f.Remote, f.Local
	}
	f.Direction = firewall.Out
	switch {
	case f.Remote.Port() != dnsPort || !t.options.IsResolver(f.Remote.Addr()):
	case isReply(message):
		t.reply(f, message)
	default:
		t.query(f, message)
	}
}

// Lookup returns the name that was last asked for to get the address, in
// lower case without the final dot, or "" if none is known.
func (t *Table) Lookup(addr netip.Addr) string {
	name, _ := t.Known(addr)
	return name
}

// Known returns what Lookup does, and when the name will be forgotten; zero if
// none is known.
func (t *Table) Known(addr netip.Addr) (name string, until time.Time) {
	addr = addr.Unmap().WithZone("")
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.names[addr]; ok {
		if n := e.Value.(*named); time.Now().Before(n.until) {
			return n.name, n.until
		}
	}
	return "", time.Time{}
}

// Restore remembers a name that an earlier table knew, until it is answered
// anew. A name that is over is ignored.
func (t *Table) Restore(addr netip.Addr, name string, until time.Time) {
	now := time.Now()
	if name == "" || !until.After(now) || until.After(now.Add(t.options.MaxAge)) {
		return
	}
	t.remember(named{addr.Unmap().WithZone(""), name, until}, now)
}

// query remembers a question.
func (t *Table) query(f firewall.Flow, message []byte) {
	id, q, ok := parseQuestion(message)
	if !ok {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.questions.put(exchangeOf(f, id), q, now)
}

// reply remembers the addresses that answer a question.
func (t *Table) reply(f firewall.Flow, message []byte) {
	id, q, ok := parseQuestion(message)
	if !ok || !q.wanted() {
		return
	}
	now := time.Now()
	t.mu.Lock()
	ok = t.questions.take(exchangeOf(f, id), q, now, t.options.Patience)
	t.mu.Unlock()
	if !ok {
		return
	}
	name := hostName(q.name)
	for _, a := range parseAnswers(message, name) {
		age := min(max(a.age, t.options.MinAge), t.options.MaxAge)
		t.remember(named{a.addr, name, now.Add(age)}, now)
	}
}

func (t *Table) remember(n named, now time.Time) {
	t.mu.Lock()
	if e, ok := t.names[n.addr]; ok {
		old := e.Value.(*named)
		changed := old.name != n.name || !now.Before(old.until)
		*old = n
		t.namesByUse.MoveToBack(e)
		t.mu.Unlock()
		if changed {
			t.options.Changed(n.addr)
		}
		return
	}
	changed := []netip.Addr{n.addr}
	for len(t.names) >= t.options.MaxAddresses {
		oldest := t.namesByUse.Front()
		addr := oldest.Value.(*named).addr
		t.namesByUse.Remove(oldest)
		delete(t.names, addr)
		changed = append(changed, addr)
	}
	t.names[n.addr] = t.namesByUse.PushBack(&n)
	t.mu.Unlock()
	for _, addr := range changed {
		t.options.Changed(addr)
	}
}
