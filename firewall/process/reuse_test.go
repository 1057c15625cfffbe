package process

import (
	"testing"
	"time"
)

func TestAProcessThatStartedAfterItWasSeenIsAnother(t *testing.T) {
	seen := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	now := seen.Add(time.Second)
	for _, test := range []struct {
		what    string
		started time.Time
		want    bool
	}{
		{"started long before", seen.Add(-time.Hour), false},
		{"started at that very moment", seen, false},
		{"started between then and now", seen.Add(time.Millisecond), true},
		{"started now", now, true},
		{"the clock was put back an hour", seen.Add(time.Hour), false},
	} {
		if got := reused(test.started, seen, now); got != test.want {
			t.Errorf("%s: another one: %v", test.what, got)
		}
	}
}
