package netfilter

import (
	"net/netip"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// What the kernel's maps say; the numbers are those of records.h.
const (
	kernelAllow = 1
	kernelBlock = 2

	byFlow        = 0
	byDestination = 1
	byProgram     = 2

	flagOff      = 1
	flagLock     = 2
	flagLoopback = 4
	flagInbound  = 8
	flagWhole    = 16

	ownerLogged = 1
	ownerMany   = 4
	ownerOnce   = 8
	ownerClosed = 16
	ownerHeld   = 2

	decidedByLock   = 1
	decidedAsForged = 2
	maxMirror       = 4096
)

// judge is [firewall.Sink]'s Judge.
type judge func(firewall.Attempt) (firewall.Decision, bool)

// cache is the engine's side of the verdicts that the kernel remembers: what
// was decided, for whom, and why.
type cache struct {
	k *kernelSide

	mu        sync.Mutex
	epoch     uint32
	decisions map[uint32]firewall.Decision
	numbers   map[firewall.Decision]uint32
	next      uint32
	mirror    map[kernelDestination]firewall.Attempt // the zero remote: the program as a whole
	once      map[kernelFlow]firewall.Decision       // answered for one flow only
}

func newCache(k *kernelSide) *cache {
	return &cache{
		k:         k,
		decisions: make(map[uint32]firewall.Decision),
		numbers:   make(map[firewall.Decision]uint32),
		next:      uint32(time.Now().Unix()) << 8, // not what an engine before counted from
		mirror:    make(map[kernelDestination]firewall.Attempt),
		once:      make(map[kernelFlow]firewall.Decision),
	}
}

// forget begins a new epoch: nothing that was decided before counts any more.
func (c *cache) forget(config kernelConfig) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch == 0 {
		var before kernelConfig
		if c.k.Configs.Lookup(uint32(0), &before) == nil {
			c.epoch = before.Epoch
		}
	}
	c.epoch++
	config.Epoch = c.epoch
	return c.k.Configs.Put(uint32(0), &config)
}

func (c *cache) currentEpoch() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// number names a decision to the kernel, which tells it back for the log. How
// widely it holds makes no other decision of it.
func (c *cache) number(d firewall.Decision) uint32 {
	d.Scope, d.Bounds = firewall.ThisFlow, firewall.Bounds{}
	if n, ok := c.numbers[d]; ok {
		return n
	}
	if len(c.numbers) > 1<<16 {
		clear(c.numbers)
		clear(c.decisions)
	}
	c.next = max(c.next+1, decidedAsForged+1)
	c.numbers[d], c.decisions[c.next] = c.next, d
	return c.next
}

// decision is what a number stands for; an engine before may have made it.
func (c *cache) decision(number, verdict uint32) firewall.Decision {
	switch number {
	case decidedByLock:
		return firewall.Decision{Reason: firewall.ByMode}
	case decidedAsForged:
		return firewall.Decision{Reason: firewall.NotParsed}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.decisions[number]; ok {
		return d
	}
	d := firewall.Decision{Reason: firewall.ByRule}
	if verdict == kernelAllow {
		d.Verdict = firewall.Allow
	}
	return d
}

// remember tells the kernel a decision, as widely as it holds. It was made in
// the given epoch, and counts in no other: what changed since is judged again.
func (c *cache) remember(o kernelOwner, cookie uint64, a firewall.Attempt, d firewall.Decision, epoch uint32, judge judge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		if now, ok := judge(a); ok {
			d, epoch = now, c.epoch
		}
	}
	v := kernelVerdict{Epoch: epoch, Verdict: kernelBlock, Decision: c.number(d)}
	if d.Verdict == firewall.Allow {
		v.Verdict = kernelAllow
	}
	r := remoteOf(a.Flow)
	scope := d.Scope
	if a.Program.Kind == firewall.Unidentified || a.Direction == firewall.In || d.Bounds != (firewall.Bounds{}) {
		scope = firewall.ThisFlow
	}
	narrow := firewall.Decision{Verdict: d.Verdict, Reason: d.Reason, Rule: d.Rule}
	switch scope {
	case firewall.ThisProgram:
		c.k.Programs.Put(&o.Program, &v)
		c.keep(kernelDestination{Program: o.Program}, a)
	case firewall.ThisDestination:
		key := kernelDestination{Program: o.Program, Remote: r}
		c.k.Destinations.Put(&key, &v)
		c.keep(key, a)
	default:
		key := kernelFlow{Cookie: cookie, Remote: r}
		c.k.Flows.Put(&key, &v)
		if d.Reason == firewall.ByAnswer && cookie != 0 {
			if len(c.once) >= maxMirror {
				clear(c.once)
			}
			c.once[key] = narrow
		}
	}
	if cookie == 0 || d.Verdict != firewall.Allow {
		return
	}
	now := o
	if c.k.Owners.Lookup(&cookie, &now) != nil {
		now = o
	}
	now.Remote, now.Epoch, now.Decision = r, epoch, v.Decision
	now.Verdict, now.Scope = kernelAllow, byFlow
	switch scope {
	case firewall.ThisProgram:
		now.Scope = byProgram
	case firewall.ThisDestination:
		now.Scope = byDestination
	default:
		now.Flags |= ownerOnce
	}
	now.Flags = now.Flags&^ownerHeld | ownerLogged
	c.k.Owners.Put(&cookie, &now)
}

func (c *cache) keep(key kernelDestination, a firewall.Attempt) {
	if len(c.mirror) >= maxMirror {
		for old := range c.mirror {
			delete(c.mirror, old)
			break
		}
	}
	c.mirror[key] = a
}

// answered is the answer that a person gave for just this flow, whatever
// changed since.
func (c *cache) answered(cookie uint64, f firewall.Flow) (firewall.Decision, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.once[kernelFlow{Cookie: cookie, Remote: remoteOf(f)}]
	return d, ok
}

// ended forgets what was answered for a socket.
func (c *cache) ended(cookie uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.once {
		if key.Cookie == cookie {
			delete(c.once, key)
		}
	}
}

// warm judges again what the kernel had in its cache, so that known programs
// are decided in the kernel from their first attempt on.
func (c *cache) warm(judge judge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, a := range c.mirror {
		a.PID, a.Started = 0, time.Time{}
		d, ok := judge(a)
		whole := key.Remote == kernelDestination{}.Remote
		if !ok || d.Scope == firewall.ThisFlow || d.Bounds != (firewall.Bounds{}) || whole && d.Scope != firewall.ThisProgram {
			delete(c.mirror, key)
			continue
		}
		v := kernelVerdict{Epoch: c.epoch, Verdict: kernelBlock, Decision: c.number(d)}
		if d.Verdict == firewall.Allow {
			v.Verdict = kernelAllow
		}
		if whole {
			c.k.Programs.Put(&key.Program, &v)
		} else {
			c.k.Destinations.Put(&key, &v)
		}
	}
}

// renamed forgets what was decided for an address, whose name changed.
func (c *cache) renamed(addr netip.Addr) {
	words := addressWords(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.mirror {
		if key.Remote.Address == words {
			c.k.Destinations.Delete(&key)
			delete(c.mirror, key)
		}
	}
}
