package link

import (
	"context"
	"slices"
)

// Peer is the process at the other end of a connection, as the kernel names it.
type Peer struct {
	User     string // to whom the process belongs: a UID, or a SID
	UID      int    // the same as a number; -1 where users have none
	PID      int
	Groups   []int  // the peer's groups, its primary one included
	Admin    bool   // it may do everything: root, or SYSTEM and elevated administrators
	LoggedOn bool   // its user sits at this computer; only Windows tells
	Started  uint64 // start of the process in the system's ticks; tells a reused PID apart
	Program  string // path of its executable, "" if not known
	Desktop  bool   // it said at hello that it is the desktop program
	Unfit    string // why it may only show, not answer and edit; "" if it may
	Session  string // the login session that the process is in, "" if not known

	process *process // nil where the kernel has none
}

// In tells whether the peer is in the group.
func (p Peer) In(gid int) bool { return slices.Contains(p.Groups, gid) }

// alive tells whether the process that connected still has its PID, so that
// what was read about the PID was read about it.
func (p Peer) alive() bool {
	if p.process != nil {
		return p.process.alive()
	}
	return p.Started != 0 && startTicks(p.PID) == p.Started
}

type peerKey struct{}

// WithPeer returns a context that carries on whose behalf something is done.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// PeerFrom returns on whose behalf something is done; ok is false if it is
// this process itself.
func PeerFrom(ctx context.Context) (p Peer, ok bool) {
	p, ok = ctx.Value(peerKey{}).(Peer)
	return p, ok
}
