package wfp

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

// collector is held while Go's garbage collector is kept from running.
var collector sync.Mutex

// pauseCollector keeps the collector from running until the function returned
// is called. wf writes structures with pointers into memory that it does not
// align: a collector that marks meanwhile takes that for a broken heap and ends
// the program ("bulkBarrierPreWrite: unaligned arguments").
func pauseCollector() (resume func()) {
	collector.Lock()
	percent := debug.SetGCPercent(-1)
	limit := debug.SetMemoryLimit(math.MaxInt64)
	runtime.GC() // ends the run that may be under way; none begins after it
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
		collector.Unlock()
	}
}
