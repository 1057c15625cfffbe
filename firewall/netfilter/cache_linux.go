package netfilter

import (
	"fmt"
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

	flagOff       = 1
	flagLock      = 2
	flagLoopback  = 4
	flagInbound   = 8
	flagWhole     = 16
	flagProcesses = 32
	flagByName    = 64
	flagPass      = 128
	flagFailOpen  = 256
	flagZoned     = 512

	stays  = 1
	inward = 2
	zone   = 16 // times the zone's number

	ownerLogged = 1
	ownerMany   = 4
	ownerOnce   = 8
	ownerClosed = 16
	ownerHeld   = 2

	// maxMirror is how many programs and destinations the kernel remembers
	// beside the programs that rules name; some 4 MiB here.
	maxMirror = 16384
	maxOnce   = 4096
)

// judge is [firewall.Sink]'s Judge.
type judge func(firewall.Attempt) (firewall.Decision, bool)

// cache is the engine's side of the verdicts that the kernel remembers: what
// was decided, for whom, and why.
type cache struct {
	k     *kernelSide
	known func(netip.Addr) (host string, until time.Time)
	place func(kernelRemote) firewall.Place
	// proven says as which program one counts by now that the key was identified as.
	proven func(firewall.Program, kernelProgram) firewall.Program
	// elsewhere tells whether the kernel knows a program by another path than its own.
	elsewhere func(kernelProgram) bool

	interprets func(path string) bool // whether each execution of the program there is to be judged

	mu     sync.Mutex
	zones  firewall.Zones
	marks  uint64       // of interpreters
	config kernelConfig // as the kernel has it
	next   kernelConfig // and as it is to be once all is judged again
	numbers
	mirror map[kernelDestination]remembered // every program and destination that the kernel has a verdict for
	hosts  map[[4]uint32]int                // addresses of those that depend on a name: how many
	pinned map[[4]uint32]string             // names kept for the next engine; see pinName
	once   map[kernelFlow]firewall.Decision // answered for one flow only
	named  map[string]kernelFileAt          // the programs that rules name, by path; zero: no such file is known
	files  map[kernelFileAt]kernelVerdict   // what the kernel has of these
}

// remembered is what the kernel's key does not tell of an attempt.
type remembered struct {
	program firewall.Program
	place   firewall.Place
	remote  netip.Addr // one of the zone that the key is of
	host    bool       // the verdict depends on the address's name
}

func newCache(k *kernelSide, known func(netip.Addr) (string, time.Time), place func(kernelRemote) firewall.Place) *cache {
	return &cache{
		k: k, known: known, place: place,
		interprets: func(string) bool { return false },
		numbers:    newNumbers(),
		mirror:     make(map[kernelDestination]remembered),
		hosts:      make(map[[4]uint32]int),
		pinned:     make(map[[4]uint32]string),
		once:       make(map[kernelFlow]firewall.Decision),
		named:      make(map[string]kernelFileAt),
		files:      make(map[kernelFileAt]kernelVerdict),
	}
}

// begin starts a new epoch: what is decided from now on belongs to it, and
// counts at once. What was decided before counts until finish, so that at no
// moment, be it the last of this process, a decided program is unknown. Only
// the lock is in force at once.
func (c *cache) begin(config kernelConfig, zones firewall.Zones) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !zones.Equal(c.zones) || c.next.Epoch == 0 {
		if err := c.k.zone(zones); err != nil {
			return err
		}
		c.zones = zones
	}
	before := c.config
	if c.next.Epoch == 0 && c.k.taken {
		if err := c.k.Configs.Lookup(uint32(0), &before); err != nil {
			return fmt.Errorf("read the kernel side's configuration: %w", err)
		}
	}
	config.Marks = c.marks
	c.next, c.config = config, config
	c.next.Epoch = before.Epoch + before.Ahead + 1
	c.config.Epoch, c.config.Ahead = before.Epoch, c.next.Epoch-before.Epoch
	if before.Epoch != 0 {
		// What was decided before must not pass a lock that begins.
		c.config.Flags, c.config.OffUntil = before.Flags|config.Flags&flagLock, before.OffUntil
	}
	return c.configure()
}

func (c *cache) configure() error {
	if err := c.k.Configs.Put(uint32(0), &c.config); err != nil {
		return fmt.Errorf("configure the kernel side: %w", err)
	}
	return nil
}

// mark adds marks of interpreters.
func (c *cache) mark(marks uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.marks
	if c.marks |= marks; c.marks == before || c.next.Epoch == 0 {
		return nil // told, or to be told by begin
	}
	c.config.Marks, c.next.Marks = c.marks, c.marks
	return c.configure()
}

// finish ends what was decided in epochs before.
func (c *cache) finish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config = c.next
	return c.configure()
}

// needs has the kernel heed verdicts of a kind that costs a look more.
func (c *cache) needs(flag uint32) {
	c.next.Flags |= flag
	if c.config.Flags&flag == 0 {
		c.config.Flags |= flag
		c.configure()
	}
}

func (c *cache) currentEpoch() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.Epoch
}

// keep remembers a key of the kernel's. What is forgotten here is forgotten
// there too: a verdict that depends on a name must not outlive its entry.
func (c *cache) keep(key kernelDestination, m remembered) {
	c.leave(key)
	for old := range c.mirror {
		if len(c.mirror) < maxMirror {
			break
		}
		c.drop(old)
	}
	c.mirror[key] = m
	if m.host {
		c.hosts[key.Remote.Address]++
	}
}

// leave forgets a key here, drop also in the kernel.
func (c *cache) leave(key kernelDestination) {
	if m, ok := c.mirror[key]; ok && m.host {
		if c.hosts[key.Remote.Address]--; c.hosts[key.Remote.Address] == 0 {
			delete(c.hosts, key.Remote.Address)
		}
	}
	delete(c.mirror, key)
}

func (c *cache) drop(key kernelDestination) {
	if key.whole() {
		c.k.Programs.Delete(&key.Program)
	} else {
		c.k.Destinations.Delete(&key)
	}
	c.leave(key)
}

// answered is the answer that a person gave for just this flow, whatever
// changed since.
func (c *cache) answered(f kernelFlow) (firewall.Decision, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.once[f]
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

// renamed forgets what was decided for an address because of its name.
func (c *cache) renamed(addr netip.Addr) {
	words := addressWords(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, _ := c.known(addr); c.pinned[words] != name {
		c.unpinName(words)
	}
	if c.hosts[words] == 0 {
		return
	}
	for key, m := range c.mirror {
		if m.host && key.Remote.Address == words {
			c.drop(key)
		}
	}
}

// moved forgets what was decided for remotes whose place is another one now:
// the resolvers changed.
func (c *cache) moved(resolvers []netip.Addr) {
	now := make(map[[4]uint32]bool, len(resolvers))
	for _, addr := range resolvers {
		now[addressWords(addr)] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, m := range c.mirror {
		if !key.anywhere() && now[key.Remote.Address] != (m.place == firewall.Resolver) {
			c.drop(key)
		}
	}
}
