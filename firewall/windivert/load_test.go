package windivert

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// collector is a sink that decides nothing, and keeps what it is handed.
type collector struct {
	mu      sync.Mutex
	holds   []firewall.Held
	entries []firewall.Entry
	lost    uint64
	handed  bool
	busy    chan struct{} // while it is open the sink takes nothing; nil: it does
}

func (c *collector) Hold(h firewall.Held) {
	c.pause()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds = append(c.holds, h)
}

func (c *collector) Decided(e firewall.Entry) {
	c.pause()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = append(c.entries, e)
}

func (c *collector) pause() {
	if c.busy != nil {
		<-c.busy
	}
}

func (c *collector) Lost(n uint64)               { c.lost += n }
func (c *collector) HandBack()                   { c.handed = true }
func (c *collector) Known(_, _ firewall.Program) {}

// Judge allows program b.
func (c *collector) Judge(a firewall.Attempt) (firewall.Decision, bool) {
	if a.Program == program("b") {
		return firewall.Decision{Verdict: firewall.Allow, Reason: firewall.ByRule, Rule: "b", Scope: firewall.ThisProgram}, true
	}
	return firewall.Decision{}, false
}

func (c *collector) take() []firewall.Held {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holds
}

// began is a backend that was started; stop ends it.
type began struct {
	*Backend
	ended chan error
	stop  func() error
}

func begin(t *testing.T, w *world, sink firewall.Sink, l Limits) *began {
	t.Helper()
	b := &began{Backend: newBackend(Config{Limits: l}, w.driver, w), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	if err := b.Apply(firewall.Policy{Inbound: true, Loopback: true}); err != nil {
		t.Fatal(err)
	}
	go func() { b.ended <- b.Run(ctx, sink, func() { close(ready) }) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		return <-b.ended
	})
	t.Cleanup(func() {
		b.stop()
		w.closeAll()
	})
	select {
	case <-ready:
	case err := <-b.ended:
		t.Fatal(err)
	}
	return b
}

func TestTenThousandHeldPacketsAreEachReleasedOnce(t *testing.T) {
	const flows = 10_000
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(ipv4World), &collector{}
		w.orderly = true
		b := begin(t, w, sink, Limits{})
		pid := w.start("a")
		for i := range flows {
			s := w.socket(pid, firewall.UDP, netip.AddrPortFrom(w.destination(0).Addr(), uint16(i+1)))
			s.connect(func() { w.leave(udp(s.flow, nil)) })
		}
		synctest.Wait()
		holds := sink.take()
		if len(holds) != flows || w.left() != 0 {
			t.Fatalf("%d of %d are held, %d left", len(holds), flows, w.left())
		}
		rand.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
		allowed := map[firewall.Flow]bool{}
		var releasers sync.WaitGroup
		for i := range 4 {
			releasers.Go(func() {
				for j := i; j < flows; j += 4 {
					holds[j].Release(firewall.Decision{Verdict: firewall.Verdict(j & 1), Reason: firewall.ByAnswer})
				}
			})
		}
		releasers.Wait()
		for j := 1; j < flows; j += 2 {
			allowed[holds[j].Flow] = true
		}
		synctest.Wait()
		if w.left() != flows/2 || len(w.refused) != flows/2 {
			t.Errorf("%d left and %d were refused, want %d each", w.left(), len(w.refused), flows/2)
		}
		for _, r := range w.arrived {
			p, err := packet.Parse(r.bytes, firewall.Out)
			if err != nil || !allowed[p.Flow] {
				t.Fatalf("%v left, twice or unallowed", p.Flow)
			}
			delete(allowed, p.Flow)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsBeyondTheLimitsIsBlockedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(ipv4World), &collector{}
		w.orderly = true
		b := begin(t, w, sink, Limits{Packets: 10})
		pid := w.start("a")
		for range 15 {
			s := w.socket(pid, firewall.UDP, w.destination(0))
			s.connect(func() { w.leave(udp(s.flow, nil)) })
			synctest.Wait()
		}
		<-time.After(time.Second)
		synctest.Wait()
		count := 0
		for _, e := range sink.entries {
			if e.Reason == firewall.Overflow && e.Verdict == firewall.Block {
				count += e.Count
			}
		}
		if len(sink.take()) != 10 || count != 5 || w.left() != 0 {
			t.Errorf("%d held, %d overflown, %d left", len(sink.take()), count, w.left())
		}
		if notes := strings.Join(b.Stats().Notes, "; "); !strings.Contains(notes, "5 packets were blocked") {
			t.Errorf("notes: %s", notes)
		}
	})
}

// What is decided passes while the engine takes nothing.
func TestABusyEngineKeepsNoDecidedPacketWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(ipv4World), &collector{busy: make(chan struct{})}
		b := begin(t, w, sink, Limits{})
		a, pid := w.start("a"), w.start("b")
		for range 50 {
			w.dial(a, w.destination(0))
			s := w.dial(pid, w.destination(0))
			<-time.After(10 * time.Millisecond)
			synctest.Wait()
			if s.state() != "open" {
				t.Fatalf("the connection is %s", s.state())
			}
		}
		stopped := make(chan error, 1)
		go func() { stopped <- b.stop() }()
		synctest.Wait()
		close(sink.busy)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestALostDriverEndsTheRun(t *testing.T) {
	for _, filter := range []string{filterSockets, filterPackets} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(ipv4World)
			b := begin(t, w, &collector{}, Limits{})
			w.dial(w.start("a"), w.destination(0))
			synctest.Wait()
			w.driver.handle(filter).lose()
			err := <-b.ended
			b.ended <- nil
			if !errors.Is(err, errNoDriver) || !strings.Contains(err.Error(), "WinDivert driver") {
				t.Errorf("ended with %v", err)
			}
			if n := w.driver.count(); n != 0 {
				t.Errorf("%d handles are left open", n)
			}
		})
	}
}

func TestAFailedStartLeavesNothingAndTheNextWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ipv4World)
		b := newBackend(Config{}, w.driver, w)
		w.driver.refused = errNoDriver
		if err := b.Run(t.Context(), &collector{}, func() { t.Error("ready") }); !errors.Is(err, errNoDriver) {
			t.Fatalf("ended with %v", err)
		}
		if n := w.driver.count(); n != 0 {
			t.Fatalf("%d handles are left open", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.Run(ctx, &collector{}, cancel); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestARunIsStoppedUnderLoad(t *testing.T) {
	w, sink := newWorld(ipv4World), &collector{}
	b := begin(t, w, sink, Limits{})
	enough, stopped := make(chan struct{}), make(chan struct{})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stopped:
					return
				default:
				}
				w.sendTo([]string{"a", "b"}[n&1], "192.0.2.1:5000", "x").close()
				if n == 200 {
					select {
					case enough <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	<-enough
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	close(stopped)
	senders.Wait()
	if n := w.driver.count(); n != 0 {
		t.Errorf("%d handles are left open", n)
	}
	for _, h := range sink.take() {
		h.Release(firewall.Decision{Reason: firewall.Stopping}) // late, as an engine's may be
	}
}

// Held flows are refused when the backend stops, before anything can pass.
func TestWhatWaitsAtTheStopIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(ipv4World), &collector{}
		b := begin(t, w, sink, Limits{})
		s := w.dial(w.start("a"), w.destination(0))
		<-time.After(10 * time.Millisecond)
		synctest.Wait()
		w.leave(udp(flowTo(firewall.UDP, 50000, "192.0.2.1:5000"), nil)) // nobody's
		synctest.Wait()
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		if w.left() != 0 || len(w.refused) != 1 || s.refusals() != 1 {
			t.Errorf("%d left, %d datagrams and %d segments were refused", w.left(), len(w.refused), s.refusals())
		}
		if len(sink.entries) != 1 || sink.entries[0].Reason != firewall.Stopping {
			t.Errorf("log: %+v", sink.entries)
		}
	})
}
