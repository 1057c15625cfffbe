package windivert

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// resolversEvery is how often the configured resolvers are read again.
const resolversEvery = 2 * time.Second

// Backend holds and decides flows by WinDivert. It is a [firewall.Backend].
type Backend struct {
	config Config
	driver driver
	system system
	guard  guard // nil where no rules outlive the process

	applying sync.Mutex // one Apply, start or stop at a time

	mu     sync.Mutex
	policy firewall.Policy
	run    *run // nil while not running
}

// run is what lives as long as [Backend.Run].
type run struct {
	*Backend
	sink       firewall.Sink
	sockets    handle
	packets    handle
	lock       handle // nil unless the mode is lock
	worker     *worker
	attributor *attributor
	teller     *teller
	cutter     *cutter
	fallback   *fallback
}

// New prepares a backend; nothing changes on the system before Run.
func New(c Config) (*Backend, error) {
	d, s, g, err := platform(c.complete())
	if err != nil {
		return nil, err
	}
	b := newBackend(c, d, s)
	b.guard = g
	return b, nil
}

func newBackend(c Config, d driver, s system) *Backend {
	return &Backend{config: c.complete(), driver: d, system: s}
}

// Run filters until ctx ends; then networking is as it was found: under fail
// open, what is held is sent on before the driver lets go of the network. What
// the driver does ends with the handles of the process: under fail closed, what
// holds from [firewall.ErrHandOver] or the loss of the driver on are rules of
// package wfp. It returns an error if the driver is lost.
func (b *Backend) Run(ctx context.Context, sink firewall.Sink, ready func()) (err error) {
	r, err := b.start(sink)
	if err != nil {
		return err
	}
	var helpers, readers sync.WaitGroup
	ended := make(chan error, 1)
	for range attributors {
		helpers.Go(r.attributor.run)
	}
	helpers.Go(r.teller.run)
	readers.Go(func() { r.worker.sockets.fill(r.sockets) })
	readers.Go(func() { r.worker.packets.fill(r.packets) })
	go func() { ended <- r.worker.run() }()
	ticking, stopTicking := context.WithCancel(context.Background())
	helpers.Go(func() { r.watchResolvers(ticking) })
	r.fallback.put(ctx)
	replanning, stopReplanning := context.WithCancel(context.Background())
	var replanner sync.WaitGroup
	replanner.Go(func() { r.fallback.run(replanning) })

	r.reportExisting()
	ready()
	lost := false
	select {
	case <-ctx.Done():
	case err = <-ended:
		ended <- err
		lost = true
	}
	b.mu.Lock()
	b.run = nil
	b.mu.Unlock()
	stopReplanning()
	replanner.Wait()
	// Before the handles close, so that nothing passes unjudged.
	var left error
	if lost || errors.Is(context.Cause(ctx), firewall.ErrHandOver) {
		left = r.fallback.leave()
	} else {
		left = r.fallback.open()
	}
	handsBack := !lost && r.handsBack(ctx)
	if !handsBack {
		close(r.teller.stopping)
	}
	r.cutter.stop()
	err = r.end(ended)
	stopTicking()
	close(r.attributor.ended)
	close(r.attributor.tasks)
	close(r.teller.ended)
	helpers.Wait()
	readers.Wait()
	if handsBack && err == nil {
		sink.HandBack()
	}
	if lost && err != nil {
		err = fmt.Errorf("%w; %s", err, r.fallback.without())
	}
	return errors.Join(err, left)
}

// start opens the handles. Events first, so that no packet is seen whose event
// is not.
func (b *Backend) start(sink firewall.Sink) (_ *run, err error) {
	b.applying.Lock()
	defer b.applying.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.run != nil {
		return nil, errors.New("run the WinDivert backend: it runs already")
	}
	r := &run{Backend: b, sink: sink}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.sockets, err = b.driver.open(filterSockets, layerSocket, prioritySockets, flagSniff|flagReceiveOnly); err != nil {
		return nil, fmt.Errorf("watch sockets: %w", err)
	}
	if r.packets, err = b.driver.open(filterPackets, layerNetwork, priorityPackets, 0); err != nil {
		return nil, fmt.Errorf("hold packets: %w", err)
	}
	if err = r.setLock(b.policy.Mode); err != nil {
		return nil, err
	}
	r.prepare(b.policy)
	r.seed()
	b.run = r
	return r, nil
}

// prepare makes the parts that work together.
func (r *run) prepare(p firewall.Policy) {
	wake, stopped := make(chan struct{}, 1), make(chan struct{})
	r.teller = newTeller(r.sink)
	r.attributor = newAttributor(r.system, wake)
	r.attributor.prove, r.attributor.learnt = p.Identify, r.sink.Known
	r.attributor.follow(p)
	c := newCore(r.config, r.sink, r.packets.send, r.teller, r.attributor)
	c.policy = p
	r.worker = &worker{
		core: c, sockets: newRing(socketRing, stopped), packets: newRing(packetRing, stopped),
		wake: wake, calls: make(chan func()), ended: stopped,
	}
	r.cutter = newCutter(r.driver, r.config.Log)
	r.fallback = newFallback(r.guard, p, r.sink, r.attributor, r.config.Log)
}

// end stops capturing, judges what waits in the driver, and closes the handles.
func (r *run) end(ended chan error) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	for _, h := range []handle{r.packets, r.sockets} {
		if err := h.shutdown(); err != nil {
			r.config.Log.Warn("shut a handle of the WinDivert driver down", "error", err)
			h.close() // or its reader would wait for ever
		}
	}
	err := <-ended
	r.close()
	return err
}

func (r *run) close() {
	for _, h := range []handle{r.packets, r.lock, r.sockets} {
		if h == nil {
			continue
		}
		if err := h.close(); err != nil {
			r.config.Log.Warn("close a handle of the WinDivert driver", "error", err)
		}
	}
}

// setLock opens or closes the handle that drops everything.
func (r *run) setLock(m firewall.Mode) (err error) {
	if m == firewall.ModeLock && r.lock == nil {
		if r.lock, err = r.driver.open(filterLock, layerNetwork, priorityLock, flagDrop); err != nil {
			r.lock = nil
			return fmt.Errorf("lock all traffic: %w", err)
		}
	}
	if m != firewall.ModeLock && r.lock != nil {
		h := r.lock
		r.lock = nil
		if err := h.close(); err != nil {
			return fmt.Errorf("unlock traffic: %w", err)
		}
	}
	return nil
}

// Apply puts a policy into force, forgets every cached decision, and judges
// established connections again.
func (b *Backend) Apply(p firewall.Policy) error {
	b.applying.Lock()
	defer b.applying.Unlock()
	b.mu.Lock()
	b.policy = p
	r := b.run
	b.mu.Unlock()
	if r == nil {
		return nil
	}
	r.attributor.follow(p)
	r.fallback.want(p)
	// What leaves the lock is judged before the driver lets anything pass.
	if p.Mode == firewall.ModeLock {
		if err := r.setLock(p.Mode); err != nil {
			return err
		}
	}
	var undecided map[firewall.Flow]bool
	if !r.worker.do(func() {
		r.worker.core.apply(p, time.Now())
		undecided = r.worker.core.undecided()
	}) {
		return nil
	}
	if err := r.setLock(p.Mode); err != nil {
		return err
	}
	r.judgeAgain(undecided)
	return nil
}

func (r *run) watchResolvers(ctx context.Context) {
	tick := time.NewTicker(resolversEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.attributor.refresh()
		}
	}
}

// Stats reports counters and facts for status.
func (b *Backend) Stats() firewall.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := firewall.Stats{Backend: "windivert", Enforcing: true}
	if b.policy.LoopbackRule {
		s.Notes = append(s.Notes, "traffic of this computer with itself is not filtered, although a rule is about it")
	}
	if b.policy.PassLock {
		s.Notes = append(s.Notes, "the lock stops everything, also programs whose rules let them pass it")
	}
	if r := b.run; r != nil {
		s.DroppedEvents = r.teller.lost.Load()
		s.Notes = append(s.Notes, r.fallback.notes()...)
		if n := r.worker.core.overflown.Load(); n > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("%d packets were blocked because too many waited", n))
		}
		if n := r.worker.core.failed.Load(); n > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("%d packets were not taken by the driver", n))
		}
	}
	return s
}
