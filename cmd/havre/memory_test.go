package main

import (
	"runtime"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	type step struct {
		after   time.Duration // the step before
		bytes   uint64        // asked for meanwhile
		percent int           // from then on
	}
	const mb = 1 << 20
	for name, steps := range map[string][]step{
		"the start is as Go has it":    {{time.Second, 40 * mb, busyPercent}, {4 * time.Second, 40 * mb, calmPercent}},
		"a little all the time":        {{5 * time.Second, 50 * mb, calmPercent}, {time.Second, 15 * mb, calmPercent}, {time.Second, 15 * mb, calmPercent}},
		"a short burst is nothing":     {{5 * time.Second, 0, calmPercent}, {50 * time.Millisecond, 40 * mb, calmPercent}, {5 * time.Second, 0, calmPercent}},
		"a transfer is noticed soon":   {{5 * time.Second, 0, calmPercent}, {time.Second / 10, 30 * mb, calmPercent}, {time.Second / 10, 30 * mb, busyPercent}},
		"and for a while after it":     {{5 * time.Second, 500 * mb, busyPercent}, {4 * time.Second, 0, busyPercent}, {time.Second, 0, calmPercent}},
		"it begins anew with the next": {{5 * time.Second, 500 * mb, busyPercent}, {4 * time.Second, 500 * mb, busyPercent}, {4 * time.Second, 0, busyPercent}},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			now, bytes := start, uint64(100*mb)
			p.look(now, bytes)
			for i, s := range steps {
				before := p.percent()
				now, bytes = now.Add(s.after), bytes+s.bytes
				changed := p.look(now, bytes)
				if got := p.percent(); got != s.percent || changed != (got != before) {
					t.Errorf("step %d: %d %%, changed %v; want %d %%", i, got, changed, s.percent)
				}
			}
		})
	}
}

func TestCollections(t *testing.T) {
	c := collections(t.Context())
	for range 3 {
		runtime.GC()
		<-c
	}
}
