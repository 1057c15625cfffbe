package windivert

import (
	"net/netip"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// cacheKey is what a decision is remembered by: what the attempts have in
// common for which it holds. What does not matter is zero.
type cacheKey struct {
	firewall.Question
	scope    firewall.Scope
	process  bool
	byHost   bool
	byZone   bool
	zone     firewall.Zone
	protocol firewall.Protocol
	place    firewall.Place
	remote   netip.AddrPort
	icmp     uint16
	pid      int
	started  int64 // in ns, as times that are the same may differ as values
	host     string
}

// cache remembers decisions for programs and for their destinations.
type cache struct {
	max       int
	zoned     bool // a decision depends on its remote's zone
	decisions map[cacheKey]firewall.Decision
}

func newCache(max int) *cache {
	return &cache{max: max, decisions: make(map[cacheKey]firewall.Decision)}
}

func (c *cache) clear() {
	clear(c.decisions)
	c.zoned = false
}

// bounded lists what a decision may depend on, the likeliest first.
var bounded = [...]struct {
	scope           firewall.Scope
	process, byHost bool
}{
	{scope: firewall.ThisProgram},
	{scope: firewall.ThisDestination},
	{scope: firewall.ThisDestination, byHost: true},
	{scope: firewall.ThisProgram, process: true},
	{scope: firewall.ThisDestination, process: true},
	{scope: firewall.ThisDestination, process: true, byHost: true},
	{scope: firewall.ThisProgram, byHost: true},
	{scope: firewall.ThisProgram, process: true, byHost: true},
}

func (c *cache) find(a *firewall.Attempt) (d firewall.Decision, ok bool) {
	if len(c.decisions) == 0 {
		return d, false
	}
	for _, b := range bounded {
		for _, byZone := range [...]bool{false, true} {
			if byZone && !c.zoned {
				break
			}
			key := keyOf(a, b.scope, firewall.Bounds{Process: b.process, Host: b.byHost, Zone: byZone})
			if d, ok = c.decisions[key]; !ok {
				continue
			}
			if d.Bounds.Until.IsZero() || a.Time.Before(d.Bounds.Until) {
				return d, true
			}
			delete(c.decisions, key)
		}
	}
	return firewall.Decision{}, false
}

// put remembers a decision as widely as it holds.
func (c *cache) put(a *firewall.Attempt, d firewall.Decision) {
	if d.Scope == firewall.ThisFlow || d.Bounds.Process && (a.PID == 0 || a.Started.IsZero()) {
		return
	}
	if len(c.decisions) >= c.max {
		c.clear() // what is needed comes back by itself
	}
	c.zoned = c.zoned || d.Bounds.Zone
	c.decisions[keyOf(a, d.Scope, d.Bounds)] = d
}

func keyOf(a *firewall.Attempt, scope firewall.Scope, b firewall.Bounds) cacheKey {
	key := cacheKey{
		Question: firewall.Question{Program: a.Program, Direction: a.Direction},
		scope:    scope, process: b.Process, byHost: b.Host, byZone: b.Zone,
	}
	if scope == firewall.ThisDestination {
		key.protocol, key.remote, key.place, key.icmp = a.Protocol, a.Destination(), a.Place, a.ICMP
	}
	if b.Zone {
		key.zone = a.Zone
	}
	if b.Process {
		key.pid, key.started = a.PID, a.Started.UnixNano()
	}
	if b.Host {
		key.host = a.Host
	}
	return key
}

// verdict is a decision about one flow, and what it depends on.
type verdict struct {
	firewall.Decision
	known bool
	epoch uint64 // of rules, mode and resolvers
	names uint64 // how often names had changed; counts if the decision depends on one
}

// holds tells whether the verdict still counts.
func (v *verdict) holds(epoch, names uint64, now time.Time) bool {
	return v.known && v.epoch == epoch &&
		(!v.Bounds.Host || v.names == names) &&
		(v.Bounds.Until.IsZero() || now.Before(v.Bounds.Until))
}
