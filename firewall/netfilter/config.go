package netfilter

import "log/slog"

// Config says what a backend filters. The zero Config filters the whole
// computer: every program below the root of the cgroup v2 tree.
type Config struct {
	// Cgroup confines the firewall to one cgroup v2 folder and what is below
	// it; an absolute path, or "" for the root.
	Cgroup string
	// Log takes diagnostics; nil discards them.
	Log *slog.Logger
}
