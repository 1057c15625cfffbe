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
	// Limits bound what the kernel keeps for us.
	Limits Limits
}

// Limits are the sizes of the kernel's tables. Zero fields take the defaults.
// Whatever is full, nothing passes that was not decided.
type Limits struct {
	Entries uint32 // of each table of sockets, programs, destinations and flows; 8192 to 65536
	Events  uint32 // bytes of events on their way here; a power of two of pages; 1 MiB
	Packets uint32 // held packets; 4096
}
