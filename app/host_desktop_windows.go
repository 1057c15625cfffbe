//go:build cgo && !race

package app

import (
	"context"
	"errors"

	"sallyport.dev/sallyport/ui"
)

// runWindows shows the windows of the engine. Where there is none, and an
// administrator starts them, this process is the engine as well.
func (e *env) runWindows(ctx context.Context, o desktopOptions) error {
	if _, err := e.client().Status(ctx); !errors.Is(err, ui.ErrGone) || needsAdministrator("the engine") != nil {
		return runDesktop(ctx, o)
	}
	return hostEngine(ctx, engineOptions{Data: DefaultData, Socket: e.socket}, func(ctx context.Context, c *Control) error {
		o.Control = c
		return runDesktop(ctx, o)
	})
}
