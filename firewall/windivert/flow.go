package windivert

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	// lingering is how long a closed socket is remembered: its last packets may
	// be read after its end.
	lingering = time.Second
	// believed is how long the system's tables are believed about a flow of
	// which no event tells: nor would one tell that its socket was closed.
	believed = 30 * time.Second
	// retried is for how long the same segment, sent again after a refusal, is
	// refused again. A connect tries three times within a second and a half.
	retried = 3 * time.Second
)

// flowKey is what the packets of a flow have in common. What the network stack
// sends by itself is kept apart from what programs send to the same address.
type flowKey struct {
	firewall.Flow
	kernel bool
}

// stage is how much is known of a flow.
type stage uint8

const (
	unjoined    stage = iota // a packet came, an event did not
	identifying              // its process is being identified
	known                    // attempt says whose it is
)

// flow is a flow that was seen, in packets or in events. The worker owns it.
type flow struct {
	key     flowKey
	attempt firewall.Attempt // its program, once known
	stage   stage
	ticket  uint64 // of the newest question to the system about it

	endpoint    uint64    // of its socket; 0 if no event told
	joined      bool      // an event told whose it is
	pid         uint32    // as the event says
	provisional bool      // more may have become known of its program
	closed      bool      // its socket is
	renewed     time.Time // when an event told the same again; zero if none did
	until       time.Time // when it is forgotten, if closed; how long it is believed, if not joined
	next, prev  *flow     // flows of the same socket

	opened   bool   // a segment that opens it was seen, with this number
	sequence uint32 // of that segment

	verdict  verdict           // as long as it counts
	answer   firewall.Decision // given for just this flow, whatever changes
	answered bool
	refused  time.Time // when a segment was refused of which the engine may still decide another way
	logged   bool      // the log has it with the verdict in line
	line     *line     // of the log, counts go there as long as it is open

	waiting []waiting     // packets
	asked   bool          // the engine has it
	gone    chan struct{} // closed when its program gave up
	left    bool          // gone is closed
}

// waiting is a packet that waits.
type waiting struct {
	bytes    []byte
	address  address
	datagram *datagram // that it is the first fragment of, or nil
}

// flows are all flows that were seen and not forgotten.
type flows struct {
	max       int
	byKey     map[flowKey]*flow
	endpoints map[uint64]*flow
	leaving   []*flow // closed, first to go first
}

func newFlows(max int) *flows {
	return &flows{max: max, byKey: make(map[flowKey]*flow), endpoints: make(map[uint64]*flow)}
}

// add makes a flow, in the place of an older one of the same key. It returns
// nil if there is no room.
func (fs *flows) add(key flowKey) *flow {
	if old := fs.byKey[key]; old != nil {
		fs.remove(old)
	}
	if len(fs.byKey) >= fs.max && !fs.makeRoom() {
		return nil
	}
	f := &flow{key: key, attempt: firewall.Attempt{Flow: key.Flow, UID: -1}}
	if key.Protocol == firewall.ICMP && !key.kernel { // programs send requests for an echo, and nothing else
		if f.attempt.ICMP = 8 + 1; key.Remote.Addr().Is6() {
			f.attempt.ICMP = 128 + 1
		}
	}
	fs.byKey[key] = f
	return f
}

// makeRoom forgets a flow of which nothing waits; its next packet is looked up
// again.
func (fs *flows) makeRoom() bool {
	tries := 0
	for _, f := range fs.byKey {
		if len(f.waiting) == 0 && f.stage == known {
			fs.remove(f)
			return true
		}
		if tries++; tries == 64 {
			break
		}
	}
	return false
}

// join notes which socket a flow is of.
func (fs *flows) join(f *flow, endpoint uint64) {
	fs.part(f)
	f.joined, f.endpoint = true, endpoint
	if endpoint == 0 {
		return
	}
	if first := fs.endpoints[endpoint]; first != nil {
		f.next, first.prev = first, f
	}
	fs.endpoints[endpoint] = f
}

// part takes a flow out of the list of its socket's.
func (fs *flows) part(f *flow) {
	if f.endpoint == 0 {
		return
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		fs.endpoints[f.endpoint] = f.next
	default:
		delete(fs.endpoints, f.endpoint)
	}
	f.next, f.prev, f.endpoint = nil, nil, 0
}

// alone tells whether the flow is the only one of its socket.
func (f *flow) alone() bool { return f.next == nil && f.prev == nil }

func (fs *flows) remove(f *flow) {
	fs.part(f)
	if fs.byKey[f.key] == f {
		delete(fs.byKey, f.key)
	}
}

// of returns the flows of a socket.
func (fs *flows) of(endpoint uint64, key flowKey) (list []*flow) {
	if f := fs.byKey[key]; f != nil && (endpoint == 0 || f.endpoint == 0) {
		list = append(list, f)
	}
	if endpoint == 0 {
		return list
	}
	for f := fs.endpoints[endpoint]; f != nil; f = f.next {
		list = append(list, f)
	}
	return list
}

// close has a flow be forgotten soon.
func (fs *flows) close(f *flow, now time.Time) {
	if !f.closed {
		f.closed, f.until = true, now.Add(lingering)
		fs.leaving = append(fs.leaving, f)
	}
}

// expire forgets closed flows.
func (fs *flows) expire(now time.Time) {
	for len(fs.leaving) > 0 && !now.Before(fs.leaving[0].until) {
		fs.remove(fs.leaving[0])
		fs.leaving[0] = nil
		fs.leaving = fs.leaving[1:]
	}
}

// due is when there is something to forget; zero if there is nothing.
func (fs *flows) due() time.Time {
	if len(fs.leaving) == 0 {
		return time.Time{}
	}
	return fs.leaving[0].until
}
