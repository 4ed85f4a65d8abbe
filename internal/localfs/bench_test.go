package localfs_test

import (
	"fmt"
	"testing"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/svn"
)

// BenchmarkApply puts new files of 1 KiB into one directory, durable, in batches of 500.
func BenchmarkApply(b *testing.B) {
	const batch = 500
	d := initDisk(b, b.TempDir(), "")
	content := make([]byte, 1<<10)
	n := 0
	for b.Loop() {
		temps := make([]localfs.Temp, batch)
		for i := range temps {
			t, err := d.CreateTemp()
			if err == nil {
				_, err = t.Write(content)
			}
			if err != nil {
				b.Fatal(err)
			}
			temps[i] = t
		}
		if err := d.SyncTemps(temps); err != nil {
			b.Fatal(err)
		}
		for _, t := range temps {
			if _, err := d.Commit(t, svn.Path(fmt.Sprint("f", n)), nil); err != nil {
				b.Fatal(err)
			}
			n++
		}
		if err := d.SyncDirs([]svn.Path{""}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkReadDir looks at a directory of 10,000 files.
func BenchmarkReadDir(b *testing.B) {
	p := &person{t: b, root: b.TempDir()}
	d := initDisk(b, p.root, "")
	for i := range 10_000 {
		p.Write(svn.Path(fmt.Sprint("f", i)), "")
	}
	for b.Loop() {
		if infos, err := d.ReadDir(""); err != nil || len(infos) != 10_000 {
			b.Fatal(len(infos), err)
		}
	}
}
