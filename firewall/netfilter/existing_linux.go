package netfilter

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// established lists the TCP connections of the filtered programs.
func (r *run) established() (list []foundSocket, listening map[uint16]bool, err error) {
	all, err := r.owners.list()
	listening = make(map[uint16]bool)
	seen := make(map[uint64]bool)
	for _, f := range all {
		if f.Remote.Protocol != uint8(firewall.TCP) || f.Member == 0 {
			continue
		}
		switch f.State {
		case tcpListen:
			listening[f.LocalPort] = true
			continue
		case tcpSynSent, tcpClose:
			continue
		}
		if !seen[f.Cookie] && !f.flow().Remote.Addr().IsLoopback() {
			seen[f.Cookie] = true
			list = append(list, f)
		}
	}
	return list, listening, err
}

func (r *run) existing(f foundSocket, listening map[uint16]bool) firewall.Attempt {
	flow := f.flow()
	if listening[f.LocalPort] {
		flow.Direction = firewall.In
	}
	return r.attempt(flow, r.identities.program(f.Program, f.Pid), f.Pid, f.Uid, f.Started)
}

// reportExisting logs the connections that are older than the firewall.
func (r *run) reportExisting() {
	list, listening, err := r.established()
	if err != nil {
		r.log.Warn("list existing connections", "error", err)
	}
	for _, f := range list {
		a := r.existing(f, listening)
		if d, ok := r.sink.Judge(a); ok && d.Cuts() {
			r.cutEstablished(f, a, d)
			continue
		}
		r.sink.Decided(firewall.Entry{
			Attempt:  a,
			Decision: firewall.Decision{Verdict: firewall.Allow, Reason: firewall.Existing},
			Count:    1,
		})
	}
}

// judgeAgain cuts the connections that a rule now blocks.
func (r *run) judgeAgain() {
	list, listening, err := r.established()
	if err != nil {
		r.log.Warn("list connections", "error", err)
	}
	for _, f := range list {
		a := r.existing(f, listening)
		if d, ok := r.sink.Judge(a); ok && d.Cuts() {
			r.cutEstablished(f, a, d)
		}
	}
}

func (r *run) cutEstablished(f foundSocket, a firewall.Attempt, d firewall.Decision) {
	err := r.cutter.cut(a.Flow, f.Cookie)
	if err != nil {
		err = disconnect(f.Pid, f.Fd) // the kernel ends no sockets of MPTCP
	}
	if err != nil {
		r.log.Warn("cut a connection", "remote", a.Remote, "error", err)
		return
	}
	a.Time = time.Now()
	r.sink.Decided(firewall.Entry{Attempt: a, Decision: d, Count: 1})
}
