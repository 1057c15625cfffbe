package link

import (
	"context"
	"slices"
)

// Peer is the process at the other end of a connection, as the kernel names it.
type Peer struct {
	UID     int
	PID     int
	Groups  []int  // the peer's groups, its primary one included
	Started uint64 // start of the process in clock ticks since boot; tells a reused PID apart
	Program string // path of its executable, "" if not known
	Own     bool   // it runs the same file as this process
	Hidden  bool   // not dumpable: others of its user cannot read or change it
	Desktop bool   // it said so at hello and was found fit for it
	Session string // the login session that the desktop program is in, "" if not known
}

// In tells whether the peer is in the group.
func (p Peer) In(gid int) bool { return slices.Contains(p.Groups, gid) }

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
