package app

import (
	"context"
	"errors"
	"fmt"
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
	stop(fmt.Errorf("journal ended: %w", errEnded))
	if err := endOf(broken); !errors.Is(err, errEnded) {
		t.Errorf("a part ended by itself, and the engine says %v", err)
	}
}
