//go:build !linux && !windows

package app

import (
	"context"
	"time"
)

func systemIdle(context.Context) (idle time.Duration, known bool) { return 0, false }

func desktopIdle() (idle time.Duration, known bool) { return 0, false }
