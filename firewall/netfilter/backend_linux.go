package netfilter

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/names"
)

// Backend holds and decides flows in the Linux kernel. It is a
// [firewall.Backend]. It acts on the network namespace of the thread that
// calls Run.
type Backend struct {
	config Config

	mu     sync.Mutex
	policy firewall.Policy
	run    *run // nil while not running
	facts  tableFacts
}

// run is what lives as long as [Backend.Run].
type run struct {
	limits      Limits
	log         *slog.Logger
	sink        firewall.Sink
	instance    *instance
	kernel      *kernelSide
	table       *table
	queue       *nfqueue.Nfqueue
	queueNumber uint16
	cutter      *cutter
	owners      *owners
	identities  *identities
	events      *events
	names       *names.Table
	resolvers   *names.Resolvers
	cache       *cache
	preparer    *preparer
	holding     *holding
	hands       hands
	knocks      chan knock
	lostBefore  atomic.Uint64
	locked      atomic.Bool   // the mode is lock
	starters    atomic.Bool   // rules depend on what started a process
	scripts     atomic.Bool   // rules name scripts
	overflown   atomic.Uint64 // packets that found the queue full
}

// New prepares a backend; nothing changes on the system before Run.
func New(c Config) (*Backend, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Backend{config: c}, nil
}

// Run filters until ctx ends; then networking is as it was found. Ended by
// [firewall.ErrHandOver] it leaves what a killed engine would leave.
func (b *Backend) Run(ctx context.Context, sink firewall.Sink, ready func()) (err error) {
	runtime.LockOSThread() // sockets and /proc/thread-self belong to one network namespace
	defer runtime.UnlockOSThread()
	i, err := newInstance(b.config.Cgroup)
	if err != nil {
		return err
	}
	if err := i.acquire(); err != nil {
		return err
	}
	defer i.release()
	r := &run{limits: b.config.Limits, log: b.config.Log, sink: sink, instance: i, holding: newHolding(), knocks: make(chan knock, maxKnocks)}
	defer r.close()
	if r.kernel, err = load(i, b.config.Limits); err != nil {
		return err
	}
	defer func() {
		if err != nil && r.kernel.taken {
			return // a start that fails leaves what a killed engine kept closed
		}
		if err == nil && errors.Is(context.Cause(ctx), firewall.ErrHandOver) {
			return
		}
		if e := r.undo(); err == nil {
			err = e
		}
	}()
	if err := r.open(); err != nil {
		return err
	}
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	if err := b.start(inner, r, &wait); err != nil {
		return err
	}
	defer func() {
		b.mu.Lock()
		b.run = nil
		b.mu.Unlock()
	}()
	defer r.events.reader.Close()
	r.reportExisting()
	ready()
	<-ctx.Done()
	return nil
}

func (r *run) socketGone(cookie uint64) {
	r.cache.ended(cookie)
	r.holding.socketGone(cookie)
}

// undo removes what the run put into the system.
func (r *run) undo() error {
	var err error
	if r.table != nil {
		err = r.table.remove()
	}
	if e := r.instance.unpin(); err == nil {
		err = e
	}
	os.Remove(pinFolder) // only if no other instance has pins
	return err
}

func (r *run) close() {
	if r.queue != nil {
		r.queue.Close()
	}
	if r.table != nil {
		r.table.close()
	}
	if r.events != nil {
		r.events.reader.Close()
	}
	if r.owners != nil {
		r.owners.close()
	}
	if r.identities != nil {
		r.identities.close()
	}
	if r.cutter != nil {
		r.cutter.conn.Close()
	}
	if r.kernel != nil {
		r.kernel.close()
	}
}

// kernelConfig says what the kernel side must know of the policy.
func (b *Backend) kernelConfig(i *instance) kernelConfig {
	c := kernelConfig{Netns: i.netns, Cgroup: i.id, Level: i.level, Engine: uint32(os.Getpid())}
	set := func(on bool, flag uint32) {
		if on {
			c.Flags |= flag
		}
	}
	set(b.policy.Mode == firewall.ModeOff, flagOff)
	set(b.policy.Mode == firewall.ModeLock, flagLock)
	set(b.policy.PassLock, flagPass)
	if b.policy.Mode == firewall.ModeOff {
		c.OffUntil = bootTimeOf(b.policy.Until)
	}
	set(b.policy.Loopback, flagLoopback)
	set(b.policy.Inbound, flagInbound)
	set(i.whole, flagWhole)
	set(b.policy.FailOpen, flagFailOpen)
	return c
}

func (r *run) tableFacts(p firewall.Policy) tableFacts {
	return tableFacts{
		queue:     r.queueNumber,
		bypass:    p.FailOpen,
		loopback:  p.Loopback,
		lock:      p.Mode == firewall.ModeLock,
		undecided: r.instance.pin("undecided"),
		blocked:   r.instance.pin("blocked"),
	}
}

// Apply puts a policy into force and judges established flows again.
func (b *Backend) Apply(p firewall.Policy) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.policy = p
	r := b.run
	if r == nil {
		return nil
	}
	r.locked.Store(p.Mode == firewall.ModeLock)
	r.starters.Store(p.Starters)
	r.scripts.Store(p.Scripts)
	if err := r.cache.begin(b.kernelConfig(r.instance), b.policy.Zones); err != nil {
		return err
	}
	if facts := r.tableFacts(p); facts != b.facts {
		if err := r.table.put(facts); err != nil {
			return err
		}
		b.facts = facts
	}
	anew := r.cache.names(p.Programs, r.sink.Judge)
	looked := r.preparer.want(slices.Concat(p.Programs, p.Interpreters))
	r.cache.warm(r.judge)
	if anew {
		select {
		case <-looked:
		case <-time.After(applyWait):
		}
	}
	if err := r.cache.finish(); err != nil {
		return err
	}
	r.judgeAgain()
	return nil
}

// Stats reports counters and facts for status.
func (b *Backend) Stats() firewall.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := firewall.Stats{Backend: "ebpf+nfqueue", Cgroup: b.config.Cgroup, Enforcing: true}
	if r := b.run; r != nil {
		s.Cgroup = r.instance.cgroup
		s.DroppedEvents = r.lostBefore.Load()
		s.OtherNamespaces = r.counter(1)
		if !r.table.native {
			s.Notes = append(s.Notes, "this kernel has no nft queue expression: the NFQUEUE target is used")
		}
	}
	return s
}
