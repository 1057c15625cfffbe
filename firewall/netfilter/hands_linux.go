package netfilter

import (
	"cmp"
	"sync"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// maxHands is how many sockets that change hands are logged between two looks.
const maxHands = 1024

// hands keeps the sockets by which other programs or users send than those that
// opened them, until they are logged.
type hands struct {
	mu      sync.Mutex
	cookies []uint64
	lost    uint64
}

// handed is told by the kernel side.
func (h *hands) handed(cookie uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.cookies) >= maxHands {
		h.lost++
		return
	}
	h.cookies = append(h.cookies, cookie)
}

func (h *hands) take() (cookies []uint64, lost uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	cookies, lost = h.cookies, h.lost
	h.cookies, h.lost = nil, 0
	return cookies, lost
}

// reportHands logs what was told of sockets that changed hands.
func (r *run) reportHands() {
	cookies, lost := r.hands.take()
	if lost > 0 {
		r.sink.Lost(lost)
	}
	for _, cookie := range cookies {
		var o kernelOwner
		if r.kernel.Owners.Lookup(&cookie, &o) != nil {
			continue // closed since
		}
		program := r.identities.program(o.Program, o.Pid)
		socket := r.socket(cookie, o, program)
		if socket == (firewall.Hands{}) {
			continue
		}
		a := r.attempt(o.Remote.flow().Normal(), program, o.Pid, o.Uid, o.Started)
		a.Parent, a.Socket, a.Time = int(o.Parent), socket, time.Now()
		d := r.cache.decision(o.Decision, kernelAllow)
		r.sink.Decided(firewall.Entry{Attempt: a, Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.PassedOn, Rule: d.Rule}, Count: 1})
	}
}

// socket says whose hands a socket is in, whose owner runs the program.
func (r *run) socket(cookie uint64, o kernelOwner, program firewall.Program) (h firewall.Hands) {
	var other kernelOther
	if cookie == 0 || r.kernel.Others.Lookup(&cookie, &other) != nil || other.Program == o.Program && other.Uid == o.Uid {
		return h
	}
	is, was := holder(program, o.Pid, o.Uid), holder(r.identities.program(other.Program, other.Pid), other.Pid, other.Uid)
	if other.Opened != 0 {
		return firewall.Hands{Opener: was, User: is}
	}
	return firewall.Hands{Opener: is, User: was}
}

func holder(p firewall.Program, pid, uid uint32) firewall.Holder {
	return firewall.Holder{Program: cmp.Or(p.Script, p.Path, p.Name()), PID: int(pid), UID: int(int32(uid))}
}
