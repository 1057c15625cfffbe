package netfilter

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// describe says whose a held flow is; ours is false if the firewall does not
// filter it. missing tells that no socket is known for its packet.
func (r *run) describe(f *heldFlow, flow firewall.Flow, missing bool) (settled <-chan struct{}, ours bool) {
	cookie := f.key.Cookie
	var program firewall.Program
	switch {
	case missing:
		program = firewall.Program{Why: "its socket is not known", File: "socket"}
	case cookie == 0:
		program = firewall.Program{Kind: firewall.Kernel}
	default:
		if r.kernel.Owners.Lookup(&cookie, &f.owner) != nil {
			found, ok := r.owners.find(cookie, flow.Direction)
			if ok && found.Member == 0 {
				return nil, false
			}
			if ok {
				f.owner = found.owner()
				f.owner.Flags = ownerHeld
				r.kernel.Owners.Update(&cookie, &f.owner, ebpf.UpdateNoExist)
			}
		}
		program = firewall.Program{Why: "its process is not known", File: fmt.Sprintf("socket %d", cookie)}
		if f.owner.Pid != 0 || f.owner.Program.Inode != 0 {
			program, settled = r.identities.within(lookPatience, f.owner.Program, f.owner.Pid)
		}
	}
	if !r.holding.busy(f.owner.Program) {
		r.events.drain()
	}
	f.attempt = r.attempt(flow, program, f.owner.Pid, f.owner.Uid, f.owner.Started)
	f.attempt.Parent, f.attempt.Socket = int(f.owner.Parent), r.socket(cookie, f.owner, program)
	if cookie == 0 {
		f.attempt.UID = -1
	}
	return settled, true
}

// judgeHeld has the engine decide a flow.
func (r *run) judgeHeld(f *heldFlow, settled <-chan struct{}) {
	key, cookie := f.key, f.key.Cookie
	epoch := r.cache.currentEpoch()
	if d, ok := r.cache.answered(key); ok {
		if now, decided := r.sink.Judge(f.attempt); decided {
			d = now
		}
		r.holding.release(release{f, d, epoch})
		return
	}
	r.holding.add(f)
	var now kernelOwner
	if r.kernel.Owners.Lookup(&cookie, &now) == nil && now.Flags&ownerClosed != 0 {
		r.holding.socketGone(cookie)
	}
	if settled != nil {
		go r.settle(f)
		return
	}
	r.handOver(f)
}

// attempt says what is known of a flow.
func (r *run) attempt(f firewall.Flow, p firewall.Program, pid, uid uint32, started uint64) firewall.Attempt {
	a := firewall.Attempt{
		Flow: f, Program: p, PID: int(pid), UID: int(int32(uid)), Started: startTime(started),
		Host: r.names.Lookup(f.Remote.Addr()), Time: time.Now(),
	}
	a.Place = r.place(remoteOf(f))
	if addr := f.Remote.Addr(); a.Place == firewall.AnyPlace && f.Local.Addr() == addr && !addr.IsUnspecified() {
		a.Place = firewall.Loopback
	}
	return r.withStarter(a)
}

// withStarter says what started the attempt's process, where rules depend on it.
func (r *run) withStarter(a firewall.Attempt) firewall.Attempt {
	if a.PID > 0 && r.starters.Load() {
		a.StartedBy = process.StarterOf(a.PID, a.Started)
	}
	return a
}

// judge is the sink's Judge for an attempt of which it is not known, or was not
// asked when it was made, what started its process.
func (r *run) judge(a firewall.Attempt) (firewall.Decision, bool) {
	return r.sink.Judge(r.withStarter(a))
}

// place says what is special about a remote, as far as its address tells.
func (r *run) place(remote kernelRemote) firewall.Place {
	addr := remote.flow().Remote.Addr()
	switch {
	case remote == kernelRemote{}:
	case r.resolvers.IsResolver(addr):
		return firewall.Resolver
	case addr.IsLoopback():
		return firewall.Loopback
	}
	return firewall.AnyPlace
}
