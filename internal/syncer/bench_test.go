//go:build unix

package syncer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
)

const benchFiles = 10_000

func fill(d *device, n int) {
	for i := range n {
		d.write(fmt.Sprintf("dir %d/file %d", i%20, i), fmt.Sprintf("%1023d", i))
	}
}

// BenchmarkUpload10000 is from the scan of 10,000 new files of 1 KiB to the last commit.
func BenchmarkUpload10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := syncertest.NewServer()
		d := newDevice(b, s, "laptop")
		fill(d, benchFiles)
		b.StartTimer()
		began := time.Now()
		d.look()
		b.ReportMetric(benchFiles/time.Since(began).Seconds(), "files/s")
		d.stop()
	}
}

// BenchmarkApply10000 is from the arrival of a revision with 10,000 files of 1 KiB to the last of them
// being durable.
func BenchmarkApply10000(b *testing.B) {
	s := syncertest.NewServer()
	d := newDevice(b, s, "laptop")
	fill(d, benchFiles)
	d.look()
	d.stop()
	for b.Loop() {
		b.StopTimer()
		d := newDevice(b, s, "desktop")
		b.StartTimer()
		began := time.Now()
		d.await(func(st syncer.Status) bool { return st.State == syncer.StateUpToDate && st.Revision == s.Head() })
		b.ReportMetric(benchFiles/time.Since(began).Seconds(), "files/s")
		d.stop()
	}
}

// BenchmarkScan10000 is looking at 10,000 files that are as they were.
func BenchmarkScan10000(b *testing.B) {
	s := syncertest.NewServer()
	d := newDevice(b, s, "laptop")
	fill(d, benchFiles)
	d.look()
	for b.Loop() {
		d.look()
	}
}

// BenchmarkRename10000 is the rename of a directory of 10,000 files, on the other device.
func BenchmarkRename10000(b *testing.B) {
	s := syncertest.NewServer()
	laptop, desktop := newDevice(b, s, "laptop"), newDevice(b, s, "desktop")
	for i := range benchFiles {
		laptop.write(fmt.Sprintf("dir/file %d", i), fmt.Sprintf("%1023d", i))
	}
	laptop.look()
	desktop.look()
	from, to := "dir", "renamed"
	for b.Loop() {
		laptop.rename(from, to)
		from, to = to, from
		laptop.look()
		desktop.await(func(st syncer.Status) bool { return st.State == syncer.StateUpToDate && st.Revision == s.Head() })
	}
}

// BenchmarkDrop10000 is from the first of 10,000 files of 1 KiB being written to the other device having all
// of them, both watched.
func BenchmarkDrop10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := syncertest.NewServer()
		laptop, desktop := newDevice(b, s, "laptop", watched), newDevice(b, s, "desktop", watched)
		b.StartTimer()
		began := time.Now()
		fill(laptop, benchFiles)
		wrote := time.Since(began)
		desktop.await(func(st syncer.Status) bool {
			return st.State == syncer.StateUpToDate && len(s.Paths()) == benchFiles+20 && st.Revision == s.Head()
		})
		b.ReportMetric(benchFiles/time.Since(began).Seconds(), "files/s")
		b.ReportMetric(benchFiles/wrote.Seconds(), "written/s")
		laptop.stop()
		desktop.stop()
	}
}
