package netfilter

import (
	"context"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/packet"
)

// maxKnocks is how many datagrams from outside wait to be looked at; the kernel
// tells of no more in a second.
const maxKnocks = 256

// serverMark, in the number by which a packet's socket is known, tells that it
// is a listener's answer; see records.h.
const serverMark = 1 << 63

// knock is a datagram from outside that nothing decided. The kernel did not let
// it in: there is no packet to hold, and who sent it sends it again.
type knock struct {
	cookie uint64
	packet packet.Packet
}

// knocked takes note of a datagram from outside; it does not wait.
func (r *run) knocked(cookie uint64, bytes []byte) {
	p, err := packet.Parse(bytes, firewall.In)
	if err != nil {
		r.sink.Decided(firewall.Entry{Attempt: firewall.Attempt{UID: -1}, Decision: firewall.Decision{Reason: firewall.NotParsed}, Count: 1})
		return
	}
	select {
	case r.knocks <- knock{cookie, p}:
	default:
		r.sink.Lost(1)
	}
}

// answerKnocks has the engine decide what knocks, until ctx ends.
func (r *run) answerKnocks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-r.knocks:
			r.answerKnock(k)
		}
	}
}

func (r *run) answerKnock(k knock) {
	flow := k.packet.Flow.Normal()
	f := &heldFlow{key: flowKey(k.cookie, flow), open: true, gone: make(chan struct{})}
	if r.holding.holds(f.key) {
		return
	}
	settled, ours := r.describe(f, flow, false)
	if !ours || f.owner.Pid == 0 && f.owner.Program.Inode == 0 {
		return // not filtered; or nobody has the socket any more: what it asked for came too late
	}
	r.judgeHeld(f, settled)
}
