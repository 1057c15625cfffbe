package app

import (
	"time"

	"sallyport.dev/sallyport/firewall"
)

// clock reads the computer's two clocks.
type clock struct {
	boot   string // names this start of the computer; "" if it has no name
	wall   func() time.Time
	uptime func() time.Duration // sleep included; 0 if not known
}

// systemClock is the computer's own. A clock without the name of its start
// cannot be compared after the next one: then the clock on the wall counts
// alone.
func systemClock() clock {
	c := clock{boot: bootName(), wall: time.Now, uptime: uptime}
	if c.boot == "" {
		c.uptime = func() time.Duration { return 0 }
	}
	return c
}

func (c clock) now() firewall.Clocks { return firewall.Clocks{Wall: c.wall(), Uptime: c.uptime()} }

// anchor returns the end as this start of the computer knows it: a time that a
// person gave gets its place on the clock that nobody can set, and also one of
// a start before, of which only the clock on the wall is left. ended tells that
// it is over: another start of the computer ended it, or the clock on the wall
// is set to before since, when it began, so that nobody knows how long ago that
// is; what does not allow goes on then.
func (c clock) anchor(e firewall.Expiry, since time.Time, v firewall.Verdict) (_ firewall.Expiry, ended bool) {
	if e.Boot == firewall.ThisBoot {
		e.Boot, e.Uptime = c.boot, 0
	}
	if e.Restart() {
		return e, e.Boot != c.boot
	}
	if e.Exit || e.At.IsZero() {
		return e, false
	}
	now := c.now()
	if e.Boot != c.boot || e.Uptime == 0 {
		if v == firewall.Allow && e.Boot != "" && now.Wall.Before(since) {
			return e, true
		}
		e.Boot, e.Uptime = "", 0
		if left := e.At.Sub(now.Wall.Round(0)); now.Uptime > 0 && now.Uptime+left > 0 {
			e.Boot, e.Uptime = c.boot, now.Uptime+left
		}
	}
	left, _ := e.Left(now, v)
	return e, left <= 0
}
