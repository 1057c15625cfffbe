package netfilter

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
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
	lostBefore  atomic.Uint64
	locked      atomic.Bool   // the mode is lock
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
	r := &run{limits: b.config.Limits, log: b.config.Log, sink: sink, instance: i, holding: newHolding()}
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

// start puts the firewall into force. What an engine before decided counts
// until it is judged again.
func (b *Backend) start(ctx context.Context, r *run, wait *sync.WaitGroup) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.locked.Store(b.policy.Mode == firewall.ModeLock)
	if err := r.cache.begin(b.kernelConfig(r.instance)); err != nil {
		return err
	}
	if err := r.cache.takeNames(r.names); err != nil {
		r.log.Warn("read the names that an engine before knew", "error", err)
	}
	if err := r.kernel.attach(); err != nil {
		return err
	}
	if err := r.listen(ctx); err != nil {
		return err
	}
	b.facts = r.tableFacts(b.policy)
	if err := r.table.put(b.facts); err != nil {
		return err
	}
	wait.Go(r.events.read)
	wait.Go(func() { r.decide(ctx) })
	wait.Go(func() { r.journal(ctx) })
	r.prepare(ctx, b.policy, wait)
	if err := r.cache.finish(); err != nil {
		r.events.reader.Close()
		return err
	}
	b.run = r
	return nil
}

// prepare has the kernel know what is decided already. It does not wait long
// for files that are out of reach: their programs are judged when they run.
func (r *run) prepare(ctx context.Context, p firewall.Policy, wait *sync.WaitGroup) {
	if err := r.cache.takeFiles(p.Programs, r.sink.Judge); err != nil {
		r.log.Warn("read what an engine before prepared", "error", err)
	}
	r.cache.names(p.Programs, r.sink.Judge)
	looked := r.preparer.want(p.Programs)
	wait.Go(func() { r.preparer.run(ctx) })
	wait.Go(func() { r.resolvers.Watch(ctx, func([]netip.Addr) { r.cache.moved(r.place) }) })
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		if err := r.cache.takeOver(r.identities.lasting, r.place, r.sink.Judge); err != nil {
			r.log.Warn("read what an engine before decided", "error", err)
		}
	}()
	late := time.After(prepareWait)
	for _, done := range []<-chan struct{}{taken, looked} {
		select {
		case <-done:
		case <-late:
			r.log.Warn("some programs that rules name are out of reach")
			return
		case <-ctx.Done():
			return
		}
	}
}

// open opens everything that a run needs besides the programs.
func (r *run) open() (err error) {
	r.resolvers = names.NewResolvers()
	r.names = names.NewTable(names.Options{
		IsResolver: r.resolvers.IsResolver,
		Changed:    func(a netip.Addr) { r.cache.renamed(a) },
	})
	r.cache = newCache(r.kernel, r.names.Known)
	if r.cutter, err = newCutter(); err != nil {
		return err
	}
	if r.owners, err = newOwners(r.kernel); err != nil {
		return err
	}
	if r.identities, err = newIdentities(r.kernel); err != nil {
		return err
	}
	r.preparer = newPreparer(r.identities, r.cache, r.sink.Judge)
	if r.events, err = newEvents(r.kernel, r.socketGone, r.names.See); err != nil {
		return err
	}
	if err = r.kernel.pinMatchers(); err != nil {
		return err
	}
	if r.table, err = newTable(r.instance.table); err != nil {
		return err
	}
	r.queue, r.queueNumber, err = openQueue(r.limits.Packets)
	return err
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
	c := kernelConfig{Netns: i.netns, Cgroup: i.id, Level: i.level}
	set := func(on bool, flag uint32) {
		if on {
			c.Flags |= flag
		}
	}
	set(b.policy.Mode == firewall.ModeOff, flagOff)
	set(b.policy.Mode == firewall.ModeLock, flagLock)
	set(b.policy.Loopback, flagLoopback)
	set(b.policy.Inbound, flagInbound)
	set(i.whole, flagWhole)
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
	if err := r.cache.begin(b.kernelConfig(r.instance)); err != nil {
		return err
	}
	if facts := r.tableFacts(p); facts != b.facts {
		if err := r.table.put(facts); err != nil {
			return err
		}
		b.facts = facts
	}
	anew := r.cache.names(p.Programs, r.sink.Judge)
	looked := r.preparer.want(p.Programs)
	r.cache.warm(r.sink.Judge)
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
