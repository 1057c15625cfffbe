package windivert

import (
	"cmp"
	"log/slog"
)

// Config says how a backend works. The zero Config takes the defaults.
type Config struct {
	// Log takes diagnostics; nil discards them.
	Log *slog.Logger
	// Limits bound what is kept in memory.
	Limits Limits
}

// Limits are the sizes of the backend's tables. Zero fields take the defaults.
// Whatever is full, nothing passes that was not decided.
type Limits struct {
	Flows   int // flows whose program is remembered; 16384, some 12 MiB
	Cached  int // decisions that are remembered beside those of flows; 16384
	Packets int // packets that wait for a decision; 16384, as many as the driver's queue holds
	Bytes   int // of the packets that wait; 32 MiB, as many as the driver's queue holds
}

func (c Config) complete() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits = Limits{
		Flows:   cmp.Or(c.Limits.Flows, 16384),
		Cached:  cmp.Or(c.Limits.Cached, 16384),
		Packets: cmp.Or(c.Limits.Packets, 16384),
		Bytes:   cmp.Or(c.Limits.Bytes, 32<<20),
	}
	return c
}
