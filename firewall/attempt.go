package firewall

import (
	"strconv"
	"strings"
	"time"
)

// Place says what is special about a flow's remote address. The backend, which
// knows the system's addresses and resolvers, sets it.
type Place uint8

const (
	// AnyPlace is an address with nothing special about it.
	AnyPlace Place = iota
	// Loopback is an address of this computer, reached without a network.
	Loopback
	// Resolver is a configured DNS resolver.
	Resolver
)

// Attempt is a program trying to open a flow.
type Attempt struct {
	Flow
	Program Program
	PID     int       // 0 if not known
	Started time.Time // when the process started; tells a reused PID apart; zero if not known
	UID     int       // user of the process; -1 if not known
	Parent  int       // PID of what had started the process when it opened the flow; 0 if not known
	SID     string    // on Windows, where rules depend on it ([Policy].Users), the user of the process; "" if not known
	Place   Place     // of the remote address
	Zone    Zone      // of the remote address; set by the engine
	Host    string    // the name that was asked for to get the remote address, or ""
	// StartedBy is the path of what started the process: a script, or the
	// executable of another program. It is empty if that is not known, and where
	// no rule depends on it ([Policy].Starters).
	StartedBy string
	// Socket says whose hands the flow's socket is in, where that is not only the
	// process's.
	Socket Hands
	Time   time.Time
	Uptime time.Duration // by when the computer had run so long, sleep included; 0 if not known; the engine sets it
}

// Hands tells who opened a socket and who sends by it, where these are different
// programs or users. The zero Hands are: the same, or not known.
type Hands struct{ Opener, User Holder }

// Holder is a process that has a socket.
type Holder struct {
	Program string // the path of the script or executable, or what the program is called
	PID     int
	UID     int // -1 if not known
}

// User is the user of the process as rules name it; "" if it is not known.
func (a *Attempt) User() string {
	switch {
	case a.SID != "":
		return a.SID
	case a.UID >= 0 && a.PID > 0:
		return strconv.Itoa(a.UID)
	}
	return ""
}

// isUser tells whether s is empty or names a user as rules do.
func isUser(s string) bool {
	if sid, ok := strings.CutPrefix(s, "S-1-"); ok {
		return sid != "" && len(s) <= maxSID && strings.Trim(sid, "0123456789-") == ""
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return s == "" || err == nil && strconv.FormatUint(n, 10) == s && n < 1<<32-1
}

const maxSID = 184 // characters, says SECURITY_MAX_SID_STRING_CHARACTERS of winnt.h

// normal returns the attempt in the form in which rules are matched.
func (a Attempt) normal() Attempt {
	a.Flow = a.Flow.Normal()
	a.Host = strings.TrimSuffix(strings.ToLower(a.Host), ".")
	return a
}

// loopback tells whether the flow stays on this computer. A resolver may be
// there too, so the address counts as well as the place.
func (a *Attempt) loopback() bool {
	return a.Place == Loopback || a.Remote.Addr().IsLoopback()
}

// Entry is a line of the activity log: an attempt and what became of it.
type Entry struct {
	Attempt
	Decision
	Count int // how many like attempts within a second this line stands for; at least 1
}
