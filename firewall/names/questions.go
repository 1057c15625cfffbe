package names

import (
	"hash/maphash"
	"time"

	"sallyport.dev/sallyport/firewall"
)

// exchange is what a question and its answer have in common: addresses and
// ports as the program that asks sees them, and the message's id. It has no
// pointers, so that a table of thousands costs the garbage collector nothing.
type exchange struct {
	local, remote         [16]byte
	localPort, remotePort uint16
	id                    uint16
	protocol              firewall.Protocol
}

func exchangeOf(f firewall.Flow, id uint16) exchange {
	return exchange{f.Local.Addr().As16(), f.Remote.Addr().As16(), f.Local.Port(), f.Remote.Port(), id, f.Protocol}
}

// asking is a question that waits for its answer.
type asking struct {
	sum  uint64 // of what is asked
	turn uint64
	time time.Time
}

// questions are those of the last ones that wait for their answer. What is asked is kept as a sum, by a seed that nobody knows.
type questions struct {
	seed  maphash.Seed
	asked map[exchange]asking
	turns []exchange // the last ones asked
	turn  uint64
}

func newQuestions(most int) questions {
	return questions{seed: maphash.MakeSeed(), asked: map[exchange]asking{}, turns: make([]exchange, most)}
}

func (q *questions) sum(x question) uint64 {
	var h maphash.Hash
	h.SetSeed(q.seed)
	h.Write(x.name.Data[:x.name.Length])
	h.Write([]byte{byte(x.kind >> 8), byte(x.kind), byte(x.class >> 8), byte(x.class)})
	return h.Sum64()
}

// put adds a question.
func (q *questions) put(x exchange, what question, now time.Time) {
	q.turn++
	at := &q.turns[q.turn%uint64(len(q.turns))]
	if a, ok := q.asked[*at]; ok && a.turn == q.turn-uint64(len(q.turns)) {
		delete(q.asked, *at)
	}
	*at = x
	q.asked[x] = asking{q.sum(what), q.turn, now}
}

// take removes a question and tells whether it was asked within the patience.
func (q *questions) take(x exchange, what question, now time.Time, patience time.Duration) bool {
	a, ok := q.asked[x]
	if !ok || a.sum != q.sum(what) || now.Sub(a.time) >= patience {
		return false
	}
	delete(q.asked, x) // a second answer to the same question is a forgery
	return true
}
