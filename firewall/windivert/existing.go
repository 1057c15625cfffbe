package windivert

import (
	"net/netip"
	"time"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/firewall/process"
)

// seed notes the sockets that no event tells of.
func (r *run) seed() {
	all, err := r.system.connections()
	if err != nil {
		r.config.Log.Warn("list sockets", "error", err)
	}
	for _, c := range all {
		if c.Protocol == firewall.UDP {
			r.worker.core.older[socketOf(c.Flow)] = true
		}
	}
}

// established lists the TCP connections with other computers.
func (r *run) established() (list []connection) {
	all, err := r.system.connections()
	if err != nil {
		r.config.Log.Warn("list connections", "error", err)
	}
	for _, c := range all {
		remote := c.Remote.Addr()
		if c.Protocol != firewall.TCP || c.listening || !remote.IsValid() || remote.IsUnspecified() || remote.IsLoopback() {
			continue
		}
		c.Flow = c.Flow.Normal()
		list = append(list, c)
	}
	return list
}

// attempt says what is known of an established connection.
func (r *run) attempt(c connection) firewall.Attempt {
	now := time.Now()
	a := firewall.Attempt{Flow: c.Flow, PID: int(c.pid), Time: now}
	running, uid := r.system.identify(c.pid, c.Flow, now)
	r.attributor.await(running.Verified, now.Add(r.attributor.patience()))
	a.Program, _ = r.attributor.proven(running.Sign())
	a.Started, a.UID = running.Started, uid
	if r.attributor.users.Load() {
		a.SID = process.UserOf(a.PID, a.Started)
	}
	a.Host = r.worker.core.names.Lookup(c.Remote.Addr())
	a.Place = placeOf(c.Flow, *r.attributor.resolvers.Load())
	return a
}

// reportExisting logs the connections that are older than the firewall, and
// cuts those that a rule blocks.
func (r *run) reportExisting() {
	for _, c := range r.established() {
		a := r.attempt(c)
		if !r.cutBlocked(a) {
			r.sink.Decided(firewall.Entry{
				Attempt:  a,
				Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.Existing},
				Count:    1,
			})
		}
	}
}

// judgeAgain cuts the connections that a rule now blocks. Those that were never
// allowed have no packet that passes.
func (r *run) judgeAgain(undecided map[firewall.Flow]bool) {
	list := r.established()
	r.cutter.keep(list)
	for _, c := range list {
		if !undecided[c.Flow] {
			r.cutBlocked(r.attempt(c))
		}
	}
}

// cutBlocked cuts a connection if a rule blocks it, and tells whether one does.
func (r *run) cutBlocked(a firewall.Attempt) bool {
	d, ok := r.sink.Judge(a)
	if !ok || !d.Cuts() {
		return false
	}
	err := r.system.cut(a.Flow)
	if err != nil {
		err = r.cutter.cut(a.Flow)
	}
	if err != nil {
		r.config.Log.Warn("cut a connection", "remote", a.Remote, "error", err)
		return true
	}
	r.sink.Decided(firewall.Entry{Attempt: a, Decision: d, Count: 1})
	return true
}

// undecided lists the connections of which nothing passed yet.
func (c *core) undecided() map[firewall.Flow]bool {
	list := make(map[firewall.Flow]bool)
	for key, f := range c.flows.byKey {
		blocked := f.verdict.known && f.verdict.Verdict == firewall.Block
		if key.Protocol == firewall.TCP && (len(f.waiting) > 0 || blocked || !f.refused.IsZero()) {
			list[key.Flow] = true
		}
	}
	return list
}

// placeOf says what is special about a flow's remote address.
func placeOf(f firewall.Flow, resolvers map[netip.Addr]bool) firewall.Place {
	switch addr := f.Remote.Addr().WithZone(""); {
	case resolvers[addr]:
		return firewall.Resolver
	case addr.IsLoopback(), addr == f.Local.Addr() && !addr.IsUnspecified():
		return firewall.Loopback
	}
	return firewall.AnyPlace
}
