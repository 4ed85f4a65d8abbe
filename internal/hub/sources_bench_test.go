package hub

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkUnchangedSources looks at 1,000 documents again in which nothing is new: requests for each, and what the
// server's heap holds more than before there were any.
func BenchmarkUnchangedSources(b *testing.B) {
	const many = 1000
	w := newSourceWorld(b)
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	before := heap()
	var wishes []SourceWish
	for i := range many {
		w.notes.Set(fmt.Sprintf("n%d", i), fmt.Sprintf("Note %d\n", i))
		wishes = append(wishes, SourceWish{URL: fmt.Sprintf("http://notes.example/n/n%d", i)})
	}
	w.run()
	began := time.Now()
	ok(w.AddSources(b.Context(), w.ada, w.spot(""), wishes))(b)
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/add")
	looked := func(since time.Time) func() bool {
		return func() bool {
			all := ok(w.Sources(b.Context(), w.ada, SourceFilter{}))(b)
			return len(all) == many && !slices.ContainsFunc(all, func(s Source) bool { return s.LastRun.Before(since) || s.State != SourceOK })
		}
	}
	wait := func(is func() bool) {
		for !is() {
			time.Sleep(200 * time.Millisecond) // each look costs what it measures
		}
	}
	wait(looked(began))
	requests := w.notes.Requests.Load()
	b.ResetTimer()
	for b.Loop() {
		again := time.Now()
		ok(w.CheckSources(b.Context(), w.ada, SourceFilter{}))(b)
		wait(looked(again))
	}
	b.StopTimer()
	b.ReportMetric(float64(w.notes.Requests.Load()-requests)/float64(b.N*many), "requests/source")
	b.ReportMetric(heap()-before, "MiB-heap")
}
