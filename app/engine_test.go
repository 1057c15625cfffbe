package app

import (
	"context"
	"errors"
	"testing"
)

// systemctl stop must not end as "failed": some releases of Go give the signal
// as the context's cause, and it is no context.Canceled.
func TestATerminatedEngineHasNotFailed(t *testing.T) {
	told, stop := context.WithCancelCause(context.Background())
	stop(errors.New("terminated signal received"))
	if err := endOf(told); err != nil {
		t.Errorf("told to stop, it ends with %q", err)
	}
	broken, stop := context.WithCancelCause(context.Background())
	stop(endedError{"journal", nil})
	if err := endOf(broken); err == nil {
		t.Error("a part ended by itself, and the engine says nothing")
	}
}

func TestAPartThatFailsSaysSoInOneLine(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("cgroup /nowhere is not there"), "the backend failed: cgroup /nowhere is not there"},
		{nil, "the backend ended by itself"},
	} {
		if got := (endedError{"backend", test.err}).Error(); got != test.want {
			t.Errorf("it says %q, want %q", got, test.want)
		}
	}
}
