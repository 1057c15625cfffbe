package netfilter

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

const (
	firstQueue  = 27100 // the lowest queue number that is tried
	maxQueued   = 4096  // packets, by default; more are dropped by the kernel
	copyBytes   = 128   // of each packet
	readBuffer  = 4 << 20
	queueListed = "/proc/thread-self/net/netfilter/nfnetlink_queue"
)

// openQueue opens a queue of so many packets that nobody listens to.
func openQueue(packets uint32) (*nfqueue.Nfqueue, uint16, error) {
	var err error
	taken := queues()
	for n := uint16(firstQueue); n < firstQueue+64; n++ {
		if _, ok := taken[n]; ok {
			continue
		}
		var q *nfqueue.Nfqueue
		q, err = nfqueue.Open(&nfqueue.Config{
			NfQueue: n, MaxQueueLen: cmp.Or(packets, maxQueued), MaxPacketLen: copyBytes, Copymode: nfqueue.NfQnlCopyPacket,
			Flags: nfqueue.NfQaCfgFlagGSO, WriteTimeout: time.Second,
		})
		if err != nil {
			continue
		}
		q.Con.SetReadBuffer(readBuffer)
		q.SetOption(netlink.NoENOBUFS, true)
		return q, n, nil
	}
	return nil, 0, fmt.Errorf("open a netfilter queue: %w", err)
}

// queues lists the queues in use with the packets that each dropped.
func queues() map[uint16]uint64 {
	text, _ := os.ReadFile(queueListed)
	taken := make(map[uint16]uint64)
	for line := range strings.Lines(string(text)) {
		var number, port, waiting, mode, length int
		var full, unsent uint64
		if n, _ := fmt.Sscan(line, &number, &port, &waiting, &mode, &length, &full, &unsent); n == 7 {
			taken[uint16(number)] = full + unsent
		}
	}
	return taken
}

// listen takes held packets until ctx ends.
func (r *run) listen(ctx context.Context) error {
	read := r.events.number(packetsQueued) // those of an engine before are gone
	r.events.note(packetsRead, read)
	return r.queue.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int {
		read++
		r.events.note(packetsRead, read+r.overflown.Load())
		if a.PacketID != nil {
			var bytes []byte
			if a.Payload != nil {
				bytes = *a.Payload
			}
			r.hold(*a.PacketID, bytes, a.OutDev != nil && *a.OutDev == loopbackIndex)
		}
		return 0
	}, func(err error) int {
		if ctx.Err() != nil {
			return 1
		}
		r.log.Warn("read the netfilter queue", "error", err)
		return 0
	})
}

// hold makes an attempt of a packet and hands it to the sink. onLoopback tells that
// the packet leaves by the loopback device.
func (r *run) hold(id uint32, bytes []byte, onLoopback bool) {
	p, err := packet.Parse(bytes, firewall.Out)
	if err != nil {
		r.senseless(id, firewall.Attempt{UID: -1, Time: time.Now()})
		return
	}
	var cookie uint64
	t := tupleOf(bytes)
	missing := r.kernel.Tuples.Lookup(&t, &cookie) != nil
	flow := p.Flow.Normal()
	server := cookie&serverMark != 0
	if cookie &^= serverMark; server {
		flow.Direction = firewall.In
	}
	key := flowKey(cookie, flow)
	if onLoopback {
		key.Remote.Stays |= stays
	}
	if held, kept := r.holding.join(key, id); held {
		if !kept {
			r.drop(id)
		}
		return
	}
	f := &heldFlow{key: key, packets: []uint32{id}, gone: make(chan struct{})}
	if f.open = r.locked.Load(); flow.Protocol == firewall.TCP {
		f.open = p.TCPFlags&packet.SYN == 0
	}
	settled, ours := r.describe(f, flow, missing)
	if !ours {
		r.accept(id)
		return
	}
	if !onLoopback && flow.Remote.Addr().IsLoopback() {
		r.senseless(id, f.attempt)
		return
	}
	if !onLoopback && f.attempt.Place == firewall.Loopback {
		f.attempt.Place = firewall.AnyPlace // any address can be bound, also the remote one
	}
	r.judgeHeld(f, settled)
}

// senseless drops a packet that no rule can be asked about.
func (r *run) senseless(id uint32, a firewall.Attempt) {
	r.drop(id)
	r.sink.Decided(firewall.Entry{Attempt: a, Decision: firewall.Decision{Reason: firewall.NotParsed}, Count: 1})
}

// decide carries decisions out, one after the other, until ctx ends.
func (r *run) decide(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			for _, d := range r.holding.next() {
				r.carryOut(d)
			}
			return
		case <-r.holding.wake:
		}
		for _, d := range r.holding.next() {
			r.carryOut(d)
		}
	}
}

func (r *run) carryOut(d release) {
	f := d.flow
	gone := d.d.Reason == firewall.Gone
	if !gone && d.d.Reason != firewall.Stopping && d.d.Reason != firewall.Unanswered &&
		d.d.Reason != firewall.TooMany && d.d.Reason != firewall.Overflow {
		r.cache.remember(f.owner, f.key, f.attempt, d.d, d.epoch, r.judge)
	}
	packets := r.holding.end(f)
	switch {
	case d.d.Verdict == firewall.Allow && !gone:
		for _, id := range packets {
			r.accept(id)
		}
	case f.attempt.Direction == firewall.In && !gone:
		r.reject(packets) // ends what the listener began; who called hears nothing
	case gone || f.open || f.key.Cookie == 0:
		for _, id := range packets {
			r.drop(id)
		}
	default:
		r.refuse(f, packets)
	}
}

func (r *run) accept(id uint32) { r.verdict(id, nfqueue.NfAccept) }
func (r *run) drop(id uint32)   { r.verdict(id, nfqueue.NfDrop) }

func (r *run) verdict(id uint32, verdict int) {
	if err := r.queue.SetVerdict(id, verdict); err != nil {
		r.log.Warn("release a held packet", "error", err)
	}
}

// tupleOf reads from a packet what the kernel side names it by; see tuple in
// records.h.
func tupleOf(b []byte) (t kernelTuple) {
	if len(b) < 20 {
		return t
	}
	word := func(at int) uint32 {
		if at+4 > len(b) {
			return 0
		}
		return binary.NativeEndian.Uint32(b[at:])
	}
	t.Version = b[0] >> 4
	if t.Version == 4 {
		t.Protocol = b[9]
		t.Id = binary.NativeEndian.Uint16(b[4:])
		mapped := binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff})
		t.Source, t.Target = [4]uint32{2: mapped, 3: word(12)}, [4]uint32{2: mapped, 3: word(16)}
		t.Transport = word(int(b[0]&15) * 4)
		return t
	}
	t.Protocol = b[6]
	t.Id = binary.NativeEndian.Uint16(b[2:])
	for i := range 4 {
		t.Source[i], t.Target[i] = word(8+4*i), word(24+4*i)
	}
	t.Transport = word(40)
	return t
}
