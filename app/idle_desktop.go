package app

import (
	"context"
	"time"

	"sallyport.dev/sallyport/ui"
)

// reportIdle tells the engine how long nobody used this session, where only
// its programs know that, until ctx ends.
func reportIdle(ctx context.Context, c ui.Control) {
	if _, known := desktopIdle(); !known {
		return
	}
	tick := time.NewTicker(idleCheck)
	defer tick.Stop()
	for {
		if idle, known := desktopIdle(); known {
			c.ReportIdle(ctx, idle) // an engine that is gone is told the next time
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
