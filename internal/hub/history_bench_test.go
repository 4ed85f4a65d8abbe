package hub

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// BenchmarkHistory asks for the past of a folder with 10,000 revisions and a directory of 1,000 files.
func BenchmarkHistory(b *testing.B) {
	w, c, scope := benchWorld(b, false)
	var changes []havre.Change
	for i := range 1000 {
		changes = append(changes, put(fmt.Sprintf("f%04d.txt", i), "x\n", unknown))
	}
	ctx := b.Context()
	head := svn.Revnum(0)
	commit := func(changes ...havre.Change) {
		r, err := w.Commit(ctx, c, scope, &havre.Commit{ID: fmt.Sprintf("c%d", head+1), Changes: changes})
		if err != nil {
			b.Fatal(err)
		}
		head = r.Rev
	}
	commit(changes...)
	for i := range 9999 {
		commit(put(fmt.Sprintf("f%04d.txt", i%1000), fmt.Sprintf("version %d\n", i), head))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	at, err := w.Spot(ctx, c, "Documents", "", unknown)
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := w.Touches(ctx, at, 2000); err != nil { // the first reads the log
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Logf("%d bytes a revision", (int64(after.HeapAlloc)-int64(before.HeapAlloc))/int64(head))
	then, err := w.Spot(ctx, c, "Documents", "", head-2000)
	if err != nil {
		b.Fatal(err)
	}
	file, err := w.Spot(ctx, c, "Documents", "f0001.txt", unknown)
	if err != nil {
		b.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"Touches":  func() error { _, _, err := w.Touches(ctx, at, 100_000); return err },
		"Versions": func() error { _, _, err := w.Versions(ctx, file); return err },
		"Past": func() error {
			entries, err := w.Entries(ctx, then)
			if err == nil {
				_, err = w.SinceThen(ctx, then, entries)
			}
			if err == nil {
				_, err = w.Differences(ctx, c, then)
			}
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
