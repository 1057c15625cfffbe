package netfilter

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/names"
)

// start puts the firewall into force. What an engine before decided counts
// until it is judged again.
func (b *Backend) start(ctx context.Context, r *run, wait *sync.WaitGroup) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.locked.Store(b.policy.Mode == firewall.ModeLock)
	r.identities.prove = b.policy.Identify
	r.starters.Store(b.policy.Starters)
	r.scripts.Store(b.policy.Scripts)
	if err := r.cache.begin(b.kernelConfig(r.instance), b.policy.Zones); err != nil {
		return err
	}
	if err := r.cache.takeNames(r.names); err != nil {
		r.log.Warn("read the names that an engine before knew", "error", err)
	}
	if err := r.kernel.heed(r.resolvers.List()); err != nil {
		return err
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
	wait.Go(func() { r.answerKnocks(ctx) })
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
	looked := r.preparer.want(slices.Concat(p.Programs, p.Interpreters))
	wait.Go(func() { r.preparer.run(ctx) })
	wait.Go(func() { r.identities.interpreters.run(ctx, r.log) })
	wait.Go(func() { r.resolvers.Watch(ctx, r.configured) })
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		if err := r.cache.takeOver(r.identities.lasting, r.judge); err != nil {
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
	r.cache = newCache(r.kernel, r.names.Known, r.place)
	if r.cutter, err = newCutter(); err != nil {
		return err
	}
	if r.owners, err = newOwners(r.kernel); err != nil {
		return err
	}
	if r.identities, err = newIdentities(r.kernel); err != nil {
		return err
	}
	r.cache.proven, r.cache.elsewhere = r.identities.again, r.identities.isElsewhere
	r.identities.interpreters.mark = r.cache.mark
	if err = r.identities.interpreters.look(); err != nil {
		return err
	}
	r.cache.interprets = func(path string) bool { return r.scripts.Load() && r.identities.interpreters.lists(path) }
	r.preparer = newPreparer(r.identities, r.cache, r.sink.Judge)
	if r.events, err = newEvents(r.kernel, r.socketGone, r.hands.handed, r.names.See, r.knocked); err != nil {
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
