package firewall

import "time"

// Expiry says how long a rule lasts. The zero Expiry is always.
type Expiry struct {
	// Exit binds the rule to one process (PID and Started) and ends with it.
	// "Once" is no expiry: such an answer makes no rule.
	Exit    bool
	PID     int
	Started time.Time
	// At ends the rule at a time by the clock on the wall; zero is never.
	At time.Time
	// Boot names a start of the computer. Without At the rule ends when the
	// computer starts again.
	Boot string
	// Uptime is At by the other clock: how long the computer has run since Boot,
	// sleep included. Nobody can set that clock. 0: not known.
	Uptime time.Duration
}

// ThisBoot, as the Boot of an Expiry that a person asked for, is the start of
// the computer that puts it into force.
const ThisBoot = "this"

// Clocks are what a computer's two clocks say.
type Clocks struct {
	Wall   time.Time     // jumps when somebody sets the clock
	Uptime time.Duration // since the computer's start, sleep included; 0: not known
}

// Left is how long a rule with the verdict lasts yet, 0 or less if it is over;
// ends is false if no time ends it. What allows ends as soon as either clock
// says so. What does not ends by the clock that nobody can set, if it is known:
// else whoever sets the clock would open the firewall.
func (e Expiry) Left(now Clocks, v Verdict) (left time.Duration, ends bool) {
	if e.At.IsZero() {
		return 0, false
	}
	left = e.At.Sub(now.Wall.Round(0))
	if e.Uptime == 0 || now.Uptime == 0 {
		return left, true
	}
	running := e.Uptime - now.Uptime
	if v == Allow {
		return min(left, running), true
	}
	return running, true
}

// End is when that is by the clock on the wall as it is set now; zero: never.
func (e Expiry) End(now Clocks, v Verdict) time.Time {
	if left, ends := e.Left(now, v); ends && left != e.At.Sub(now.Wall.Round(0)) {
		return now.Wall.Round(0).Add(left)
	}
	return e.At
}

// Restart tells whether the rule lasts until the computer starts again.
func (e Expiry) Restart() bool { return e.Boot != "" && e.At.IsZero() }

// The name of a start of a computer is a UUID on Linux.
const (
	maxBoot   = 64
	bootBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
)
