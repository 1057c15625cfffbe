package windivert

import (
	"encoding/binary"
	"net/netip"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	// A sender emits all fragments of a datagram at once.
	fragmentPatience = 2 * time.Second
	maxDatagrams     = 1024 // that are followed at a time
	// maxFragments is more than the largest datagram has at the least MTU of
	// IPv6 (65,535 / 1,232, RFC 8200).
	maxFragments = 64
)

// fragmentKey names the datagram that a fragment is of (RFC 791, RFC 8200).
type fragmentKey struct {
	source, target netip.Addr
	protocol       firewall.Protocol
	id             uint32
}

// fragment is what the IP headers say of a fragment.
type fragment struct {
	fragmentKey
	offset int // in bytes
}

// fragmentOf reads the fragment fields of a packet; ok is false if it is whole,
// or makes no sense.
func fragmentOf(b []byte) (f fragment, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		field := binary.BigEndian.Uint16(b[6:])
		f.offset = int(field&0x1fff) * 8
		f.source, f.target = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		f.protocol, f.id = firewall.Protocol(b[9]), uint32(binary.BigEndian.Uint16(b[4:]))
		return f, field&0x3fff != 0 // more fragments, or an offset
	case len(b) >= 40 && b[0]>>4 == 6:
		next, rest := b[6], b[40:]
		for range 8 {
			if len(rest) < 8 {
				return f, false
			}
			switch next {
			case 0, 43, 60: // hop by hop, routing, destinations
				length := 8 * (1 + int(rest[1]))
				if len(rest) < length {
					return f, false
				}
				next, rest = rest[0], rest[length:]
			case 44:
				field := binary.BigEndian.Uint16(rest[2:])
				f.offset = int(field &^ 7)
				f.source, f.target = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
				f.protocol, f.id = firewall.Protocol(rest[0]), binary.BigEndian.Uint32(rest[4:])
				return f, field&^6 != 0
			default:
				return f, false
			}
		}
	}
	return f, false
}

// hides tells whether a later fragment can change what was judged: the header
// of TCP reaches behind the least offset (RFC 3128).
func (f *fragment) hides() bool { return f.protocol == firewall.TCP && f.offset < 60 }

// datagram is one of which fragments were seen.
type datagram struct {
	key     fragmentKey
	decided bool
	allowed bool
	first   bool // the first fragment was seen
	until   time.Time
	later   []waiting
}

// datagrams are those that fragments were seen of lately.
type datagrams struct {
	byKey map[fragmentKey]*datagram
	order []*datagram // first seen first
	due   time.Time   // when the first expires; zero if there is none
}

func newDatagrams() *datagrams { return &datagrams{byKey: make(map[fragmentKey]*datagram)} }

// of returns the datagram of a fragment, a new one if needed. It returns nil
// if there are too many.
func (ds *datagrams) of(key fragmentKey, now time.Time) *datagram {
	if d := ds.byKey[key]; d != nil {
		return d
	}
	if len(ds.order) >= maxDatagrams {
		return nil
	}
	d := &datagram{key: key, until: now.Add(fragmentPatience)}
	ds.byKey[key] = d
	ds.order = append(ds.order, d)
	if ds.due.IsZero() {
		ds.due = d.until
	}
	return d
}

// expire forgets old datagrams and returns those of which the first fragment
// never came. One that is held waits as long as its flow does.
func (ds *datagrams) expire(now time.Time) (headless []*datagram) {
	if ds.due.IsZero() || now.Before(ds.due) {
		return nil
	}
	ds.due = time.Time{}
	kept := ds.order[:0]
	for _, d := range ds.order {
		if d.first && !d.decided && !now.Before(d.until) {
			d.until = now.Add(fragmentPatience)
		}
		if !now.Before(d.until) {
			if !d.first {
				headless = append(headless, d)
			}
			if ds.byKey[d.key] == d {
				delete(ds.byKey, d.key)
			}
			continue
		}
		kept = append(kept, d)
		if ds.due.IsZero() || d.until.Before(ds.due) {
			ds.due = d.until
		}
	}
	clear(ds.order[len(kept):])
	ds.order = kept
	return headless
}
