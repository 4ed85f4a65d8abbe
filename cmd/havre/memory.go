package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How trimMemory tells rest from work.
const (
	trimInterval = 5 * time.Second
	trimQuiet    = 4 << 20 // bytes allocated in an interval at rest, at most
)

// trimMemory gives memory back to the system when work has ended. The garbage collector runs as memory
// is asked for: after a burst of work, what the burst needed at its height would stay with a process
// that then only waits.
func trimMemory(ctx context.Context) error {
	ticker := time.NewTicker(trimInterval)
	defer ticker.Stop()
	last, worked := allocated(), true // the start is a burst
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := allocated()
		switch quiet := now-last < trimQuiet; {
		case !quiet:
			worked = true
		case worked:
			worked = false
			// What lies in pools for later use survives one collection, not two.
			debug.FreeOSMemory()
			debug.FreeOSMemory()
			now = allocated()
		}
		last = now
	}
}

// allocated returns how many bytes the process has ever asked for.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
