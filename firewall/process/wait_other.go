//go:build !linux && !windows

package process

import (
	"context"
	"time"
)

// wait looks once a second.
func wait(ctx context.Context, pid int, started time.Time) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for Runs(pid, started) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
