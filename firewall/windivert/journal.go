package windivert

import (
	"net/netip"
	"time"

	"sallyport.dev/sallyport/firewall"
)

const (
	// journalEvery is how long like attempts are one line of the log; the
	// sink's contract says within a second.
	journalEvery = 500 * time.Millisecond
	maxLines     = 4096  // that are open at a time
	maxUntold    = 65536 // closed lines that a slow sink has not taken
)

// lineKey is what like attempts have in common.
type lineKey struct {
	program   firewall.Program
	direction firewall.Direction
	protocol  firewall.Protocol
	remote    netip.AddrPort
	pid       int
	verdict   firewall.Verdict
	reason    firewall.Reason
	rule      firewall.RuleID
}

// line is a line of the log that still counts.
type line struct {
	entry firewall.Entry
	open  bool
}

// journal has the lines of what was decided here, until they are told to the
// sink. The worker owns it.
type journal struct {
	lines map[lineKey]*line
	order []*line
	due   time.Time // when the lines are told; zero while there are none
	to    *teller
}

func newJournal(t *teller) *journal { return &journal{lines: make(map[lineKey]*line), to: t} }

// add notes an attempt and returns its line, for more of the like.
func (j *journal) add(a *firewall.Attempt, d firewall.Decision, now time.Time) *line {
	key := lineKey{a.Program, a.Direction, a.Protocol, a.Remote, a.PID, d.Verdict, d.Reason, d.Rule}
	if l := j.lines[key]; l != nil {
		l.entry.Count++
		return l
	}
	if len(j.order) >= maxLines {
		j.flush()
	}
	if j.due.IsZero() {
		j.due = now.Add(journalEvery)
	}
	l := &line{entry: firewall.Entry{Attempt: *a, Decision: d, Count: 1}, open: true}
	l.entry.Time = now
	j.lines[key] = l
	j.order = append(j.order, l)
	return l
}

// expire tells the lines that are due.
func (j *journal) expire(now time.Time) {
	if !j.due.IsZero() && !now.Before(j.due) {
		j.flush()
	}
}

func (j *journal) flush() {
	room := maxUntold - j.to.told.len()
	for _, l := range j.order {
		l.open = false
		if room--; room < 0 {
			j.to.lose(uint64(l.entry.Count))
			continue
		}
		j.to.told.put(l.entry)
	}
	clear(j.lines)
	j.order = nil
	j.due = time.Time{}
}
