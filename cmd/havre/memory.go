package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How rest is told from work.
const (
	trimInterval = 5 * time.Second
	trimQuiet    = 4 << 20 // bytes allocated in an interval at rest, at most
)

// keepSmall keeps the memory of a process that runs for months near what it needs, until ctx is done. Go's garbage collector runs
// when there is as much garbage as there is alive, and only as memory is asked for. Two things follow, which this mends:
//
//   - A server that does a little all the time, such as looking at a thousand backups, takes twice its memory to save
//     a collection in a second. While little is asked for, it collects earlier (pace).
//   - What a burst of work needed at its height would stay with a process that then only waits. It goes back to the system.
func keepSmall(ctx context.Context) error {
	ticker := time.NewTicker(trimInterval)
	defer ticker.Stop()
	collected := collections(ctx)
	var p pace
	p.look(time.Now(), allocated())
	// Who has set these has decided how much memory is worth how much time.
	paced := os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == ""
	last, worked := allocated(), true // the start is a burst
	for {
		ticked := false
		select {
		case <-ctx.Done():
			return nil
		case <-collected:
		case <-ticker.C:
			ticked = true
		}
		now := allocated()
		if paced && p.look(time.Now(), now) {
			debug.SetGCPercent(p.percent())
		}
		if !ticked {
			continue
		}
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

// Of pace.
const (
	calmPercent, busyPercent = 25, 100 // garbage in percent of what is alive; 100 is Go's own
	// A byte that is asked for costs the collector about a nanosecond at busyPercent and four at calmPercent, so that it takes at
	// most a fifteenth of one processor.
	busyRate  = 16 << 20 // bytes in a second
	busyBurst = 48 << 20 // what may be asked for above that; a transfer reaches it in a tenth of a second
	calmAfter = trimInterval
)

// pace chooses how early the garbage collector runs: by how much memory is asked for, and so by what that costs. Where much
// is asked for it is as Go has it, and transfers do not become slower. It is for one goroutine.
type pace struct {
	at    time.Time
	bytes uint64    // asked for until then
	above float64   // bytes above busyRate, at least 0
	calm  bool      //
	since time.Time // when above was larger than busyBurst the last time
}

// look takes over how much the process has asked for, and says whether the percentage is another one.
func (p *pace) look(now time.Time, bytes uint64) bool {
	if p.at.IsZero() {
		p.at, p.bytes, p.since = now, bytes, now
	}
	p.above = max(0, p.above+float64(bytes-p.bytes)-busyRate*now.Sub(p.at).Seconds())
	p.at, p.bytes = now, bytes
	was := p.calm
	if p.above > busyBurst {
		p.above, p.since = busyBurst, now // it is not remembered for longer than it takes to fade from there
		p.calm = false
	} else if now.Sub(p.since) >= calmAfter {
		p.calm = true
	}
	return p.calm != was
}

func (p *pace) percent() int {
	if p.calm {
		return calmPercent
	}
	return busyPercent
}

// collections returns what gets something after each garbage collection, until ctx is done.
func collections(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	var wait func()
	wait = func() {
		// It is garbage at once, and so found by the next collection. A pointer keeps it from sharing its place.
		runtime.AddCleanup(&struct{ p *int }{}, func(struct{}) {
			select {
			case c <- struct{}{}:
			default:
			}
			if ctx.Err() == nil {
				wait()
			}
		}, struct{}{})
	}
	wait()
	return c
}

// allocated returns how many bytes the process has ever asked for.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
