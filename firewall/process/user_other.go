//go:build !windows

package process

import "time"

// UserOf is the SID of the user of a process that started then: "", there are
// none on this system.
func UserOf(int, time.Time) string { return "" }
