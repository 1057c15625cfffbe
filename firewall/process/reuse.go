package process

import "time"

// reused tells whether a process that started then is another one than that
// which was seen. A start that lies in the future tells that the clock was put
// back since, and nothing else.
func reused(started, seen, now time.Time) bool {
	return started.After(seen) && !started.After(now)
}
