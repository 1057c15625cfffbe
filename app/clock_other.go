//go:build !linux && !windows

package app

import "time"

func bootName() string { return "" }

func uptime() time.Duration { return 0 }
