package netfilter

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"sallyport.dev/sallyport/firewall"
)

// chunk is how many verdicts are judged in one go: a decision that is to be
// carried out waits for no more.
const chunk = 128

// warm judges again what the kernel has in its cache, so that it stays decided
// there.
func (c *cache) warm(judge judge) {
	if c.idle() {
		return
	}
	c.mu.Lock()
	keys := make([]kernelDestination, 0, len(c.mirror))
	for key := range c.mirror {
		keys = append(keys, key)
	}
	c.mu.Unlock()
	for part := range slices.Chunk(keys, chunk) {
		c.warmSome(part, judge)
	}
}

func (c *cache) warmSome(keys []kernelDestination, judge judge) {
	var programs []kernelProgram
	var destinations []kernelDestination
	var ofPrograms, ofDestinations []kernelVerdict
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		m, ok := c.mirror[key]
		if !ok {
			continue
		}
		v, m, ok := c.again(key, m, judge)
		if !ok {
			c.drop(key)
			continue
		}
		c.setFlags(key, m)
		c.keep(key, m)
		if key.whole() {
			programs, ofPrograms = append(programs, key.Program), append(ofPrograms, v)
		} else {
			destinations, ofDestinations = append(destinations, key), append(ofDestinations, v)
		}
	}
	if len(programs) > 0 {
		c.k.Programs.BatchUpdate(programs, ofPrograms, nil)
	}
	if len(destinations) > 0 {
		c.k.Destinations.BatchUpdate(destinations, ofDestinations, nil)
	}
}

// again judges what is kept by a key; ok is false if nothing can be kept by
// this key any more.
func (c *cache) again(key kernelDestination, m remembered, judge judge) (v kernelVerdict, _ remembered, ok bool) {
	m.program = c.proven(m.program, key.Program)
	a := firewall.Attempt{
		Flow:    key.Remote.flow(),
		Program: m.program, Place: m.place, UID: -1, Time: time.Now(),
	}
	if key.Process != 0 {
		a.PID, a.Started = int(key.Process), startTime(key.Started)
	}
	var until time.Time
	there, zoned := !key.anywhere(), key.Remote.Stays/zone
	if zoned != 0 {
		if a.Remote = netip.AddrPortFrom(m.remote, 0); uint8(c.zones.Of(m.remote)) != zoned {
			return v, m, false
		}
	}
	if there {
		a.Host, until = c.known(a.Remote.Addr())
	}
	d, ok := judge(a)
	if !ok {
		return v, m, false
	}
	if d.Bounds.Host {
		d = whileKnown(d, until)
	}
	if d.Scope == firewall.ThisFlow || !there && (d.Scope == firewall.ThisDestination || d.Bounds.Host || d.Bounds.Zone && zoned == 0) ||
		key.Process == 0 && d.Bounds.Process {
		return v, m, false
	}
	m.host = d.Bounds.Host
	return c.verdict(d), m, true
}

// takeOver judges again what an engine that was killed left in the kernel.
func (c *cache) takeOver(identify func(kernelProgram) (firewall.Program, bool), judge judge) error {
	take := func(key kernelDestination) {
		p, ok := identify(key.Program)
		if !ok {
			return
		}
		m := remembered{program: p, place: c.place(key.Remote)}
		if key.Remote.Stays/zone != 0 {
			return // which address it was decided for nobody knows any more
		}
		if key.Remote.Stays&stays != 0 && !address(key.Remote.Address).IsLoopback() {
			return // only its packets tell whether it is from an address to itself
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, ok := c.mirror[key]; ok || len(c.mirror) >= maxMirror {
			return
		}
		if c.resting() {
			c.keep(key, m)
		} else if v, m, ok := c.again(key, m, judge); ok {
			c.put(key, m, v)
		}
	}
	if !c.k.taken {
		return nil
	}
	err := each(c.k.Programs, func(p kernelProgram, v kernelVerdict) {
		if c.counted(v) {
			take(kernelDestination{Program: p})
		}
	})
	return errors.Join(err, each(c.k.Destinations, func(d kernelDestination, v kernelVerdict) {
		if c.counted(v) {
			take(d)
		}
	}))
}

// idle tells whether the mode decides by itself: verdicts then rest as they
// are until rules count again.
func (c *cache) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resting()
}

func (c *cache) resting() bool {
	return c.next.Flags&flagOff != 0 || c.next.Flags&(flagLock|flagPass) == flagLock
}

// counted tells whether a verdict is of an epoch that counts but is not new.
func (c *cache) counted(v kernelVerdict) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.Epoch-c.config.Epoch < c.config.Ahead
}

// each reads a whole map before it calls f.
func each[K, V any](m *ebpf.Map, f func(K, V)) error {
	const batch = 1024
	var cursor ebpf.MapBatchCursor
	var keys []K
	var values []V
	k, v := make([]K, batch), make([]V, batch)
	for {
		n, err := m.BatchLookup(&cursor, k, v, nil)
		keys, values = append(keys, k[:n]...), append(values, v[:n]...)
		if err != nil {
			for i := range keys {
				f(keys[i], values[i])
			}
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				return nil
			}
			return err
		}
	}
}
