package fsfs_test

import (
	"crypto/sha1"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// heapWatch notes how large the heap becomes while something is read through it.
type heapWatch struct {
	io.ReadCloser
	count, most uint64
}

func (w *heapWatch) Read(p []byte) (int, error) {
	if w.count++; w.count%100 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.most = max(w.most, m.HeapInuse)
	}
	return w.ReadCloser.Read(p)
}

// TestBigFile commits, changes and reads a file that is larger than the memory it may take.
func TestBigFile(t *testing.T) {
	const size, bound = 96 << 20, 48 << 20
	const changed = 65_432_109 // the byte
	r := create(t)
	var watch heapWatch
	watched := func(open func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) {
			c, err := open()
			watch.ReadCloser = c
			return &watch, err
		}
	}
	first := commit(t, r, svn.Change{Op: svn.OpPut, Path: "big", Base: unknown, Content: watched(bigContent(size, -1))})
	// One byte changed, then half of the file cut off.
	second := commit(t, r, svn.Change{Op: svn.OpPut, Path: "big", Base: first, Content: watched(bigContent(size, changed))})
	shorter := commit(t, r, svn.Change{Op: svn.OpPut, Path: "big", Base: second, Content: watched(bigContent(size/2, 5))})
	for _, tt := range []struct {
		rev      svn.Revnum
		size, at int64
	}{{first, size, -1}, {second, size, changed}, {shorter, size / 2, 5}} {
		f, err := r.Open(t.Context(), "big", tt.rev)
		if err != nil {
			t.Fatal(err)
		}
		watch.ReadCloser = f
		got, want := sha1.New(), sha1.New()
		_, err1 := io.Copy(got, struct{ io.Reader }{&watch})
		_, err2 := io.Copy(want, &counter{size: tt.size, at: tt.at})
		if err := errors.Join(err1, err2, f.Close()); err != nil {
			t.Fatal(err)
		}
		if string(got.Sum(nil)) != string(want.Sum(nil)) {
			t.Errorf("r%d has other contents", tt.rev)
		}
	}
	if watch.most > bound {
		t.Errorf("the heap had %d MiB, allowed are %d", watch.most>>20, bound>>20)
	}
	testSkip(t, r, second, size, changed)
	svntest.Verify(t, r.Dir())
	svntest.CheckFSFS(t, r.Dir())
}

// testSkip reads a piece at the end, without reading what is before.
func testSkip(t *testing.T, r svn.Repository, rev svn.Revnum, size, changed int64) {
	t.Helper()
	f, err := r.Open(t.Context(), "big", rev)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SkipTo(size - 16); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || len(got) != 16 {
		t.Errorf("skipped to the last 16 bytes, read %d, %v", len(got), err)
	}
	var all counter
	all.size, all.at = size, changed
	want := make([]byte, 16)
	buf := make([]byte, 1<<20)
	for {
		n, err := all.Read(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		copy(want, buf[max(0, n-16):n])
	}
	if string(got) != string(want) {
		t.Errorf("skipped to the last 16 bytes: %x, want %x", got, want)
	}
}
