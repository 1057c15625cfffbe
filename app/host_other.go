//go:build !windows

package app

import "context"

// runWindows shows the windows. The engine is always another process: what may
// filter must not draw here.
func (e *env) runWindows(ctx context.Context, o desktopOptions) error { return runDesktop(ctx, o) }
