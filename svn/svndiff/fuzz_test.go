package svndiff_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/havre-cloud/havre/svn/svndiff"
)

// written returns deltas that Subversion has written, of all three versions: those in the revisions that
// svn/fsfs keeps for its tests.
func written(f *testing.F) (deltas [][]byte) {
	names, err := filepath.Glob("../fsfs/testdata/seeds/revision-*")
	if err != nil || len(names) == 0 {
		f.Fatal("no revisions to take deltas from: ", err)
	}
	seen := map[byte]bool{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for {
			at := bytes.Index(data, []byte("SVN"))
			if at < 0 {
				break
			}
			delta, rest, _ := bytes.Cut(data[at:], []byte("ENDREP\n"))
			deltas, data = append(deltas, delta), rest
			seen[delta[3]] = true
		}
	}
	if len(seen) != 3 {
		f.Fatalf("deltas of the versions %v", seen)
	}
	return deltas
}

// FuzzDecoder feeds garbage. Whatever is accepted must apply, must mean the same after being
// encoded again, and must have been skipped over to the same place.
func FuzzDecoder(f *testing.F) {
	source := text(1, 2000)
	var d svndiff.Differ
	for _, v := range versions {
		p := svndiff.AppendHeader(nil, v)
		for _, target := range [][]byte{source, insert(source, 900, source[:100]), text(3, 700)} {
			var w svndiff.Window
			d.Diff(&w, source, target)
			p, _ = svndiff.AppendWindow(p, v, &w)
		}
		f.Add(p)
		f.Add(p[:len(p)/2])
	}
	for _, p := range written(f) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		decoder := svndiff.NewDecoder(bytes.NewReader(p))
		skipper := svndiff.NewDecoder(bytes.NewReader(p))
		view := make([]byte, svndiff.MaxView)
		for {
			w, err := decoder.ReadWindow()
			if err != nil {
				checkDecodeError(t, err)
				return
			}
			if err := skipper.SkipWindow(); err != nil {
				t.Fatalf("skipping a good window: %v", err)
			}
			target, err := w.Apply(view[:w.SourceLen], nil)
			if err != nil || len(target) != w.TargetLen {
				t.Fatalf("a decoded window makes %d bytes of %d, %v", len(target), w.TargetLen, err)
			}
			v, _ := decoder.Version()
			again, err := svndiff.NewDecoder(bytes.NewReader(encode(t, v, w))).ReadWindow()
			if err != nil {
				t.Fatal(err)
			}
			requireSameWindow(t, again, w)
		}
	})
}

func checkDecodeError(t *testing.T, err error) {
	t.Helper()
	_, corrupt := errors.AsType[*svndiff.CorruptError](err)
	if !corrupt && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("unexpected kind of error: %v", err)
	}
}

// FuzzDiff checks Apply(Diff(a, b)) == b, encoded and decoded in between.
func FuzzDiff(f *testing.F) {
	a := text(1, 400)
	f.Add(a, insert(a, 200, []byte("hello")), uint16(0))
	f.Add(a[:100], a, uint16(7))
	f.Add(bytes.Repeat([]byte("ab"), 200), bytes.Repeat([]byte("ba"), 300), uint16(300))
	f.Fuzz(func(t *testing.T, a, b []byte, move uint16) {
		// Long common runs at different offsets are what random inputs lack.
		at := int(move) % (len(b) + 1)
		b = append(append(bytes.Clone(b[:at]), a...), b[at:]...)
		source, target := a[:min(len(a), svndiff.MaxView)], b[:min(len(b), svndiff.MaxView)]
		var d svndiff.Differ
		var w svndiff.Window
		d.Diff(&w, source, target)
		if len(source) >= 2*64 && len(target) >= at+len(source) && w.CopiedFromSource() == 0 {
			t.Errorf("nothing of %d bytes found again", len(source))
		}
		checkRoundTrip(t, &w, source, target)
	})
}

// TestGarbageAllocation checks that sizes which are only announced are not allocated.
func TestGarbageAllocation(t *testing.T) {
	// Announces the largest sections there may be, and holds nothing.
	header := "SVN\x02\x00\x00\x86\xa0\x00\x81\x82\xbd\x00\x86\xa0\x00"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := svndiff.NewDecoder(bytes.NewReader([]byte(header))).ReadWindow()
	runtime.ReadMemStats(&after)
	checkDecodeError(t, err)
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("allocated %d bytes for %d bytes of input", got, len(header))
	}
}
