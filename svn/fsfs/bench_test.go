package fsfs_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

// manyFiles returns the changes that add 100 directories of n/100 files of 1 KiB each.
func manyFiles(n int) []svn.Change {
	var changes []svn.Change
	for d := range 100 {
		dir := svn.Path(fmt.Sprintf("dir%02d", d))
		changes = append(changes, svn.Change{Op: svn.OpMkdir, Path: dir, Base: svn.InvalidRevnum})
		for i := range n / 100 {
			changes = append(changes, svn.Change{
				Op: svn.OpPut, Path: dir.Join(fmt.Sprintf("file%03d.txt", i)), Base: svn.InvalidRevnum, Content: randomContent(1024),
			})
		}
	}
	return changes
}

func randomContent(n int) func() (io.ReadCloser, error) {
	data := make([]byte, n)
	_, _ = rand.Read(data)
	return content(string(data))
}

func benchRepository(b *testing.B) *fsfs.Repository {
	b.Helper()
	r, err := fsfs.Create(filepath.Join(b.TempDir(), "repo"), fsfs.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

func mustCommit(b *testing.B, r *fsfs.Repository, changes ...svn.Change) svn.Revnum {
	rev, err := r.Commit(b.Context(), &svn.Commit{RevProps: svn.Props{svn.PropAuthor: "bench"}, Changes: changes})
	if err != nil {
		b.Fatal(err)
	}
	return rev
}

// BenchmarkCommitOne changes one file of 1 KiB in a repository of 10,000.
func BenchmarkCommitOne(b *testing.B) {
	r := benchRepository(b)
	rev := mustCommit(b, r, manyFiles(10000)...)
	i := 0
	for b.Loop() {
		i++
		path := svn.Path(fmt.Sprintf("dir%02d/file%03d.txt", i%100, i/100%100))
		rev = mustCommit(b, r, svn.Change{Op: svn.OpPut, Path: path, Base: rev, Content: randomContent(1024)})
	}
}

// BenchmarkCommitGroup does so from 16 goroutines at once.
func BenchmarkCommitGroup(b *testing.B) {
	r := benchRepository(b)
	rev := mustCommit(b, r, manyFiles(10000)...)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 16 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				path := svn.Path(fmt.Sprintf("dir%02d/new%d", i%100, i))
				mustCommit(b, r, svn.Change{Op: svn.OpPut, Path: path, Base: svn.InvalidRevnum, Content: randomContent(1024)})
			}
		})
	}
	wg.Wait()
	_ = rev
}

// BenchmarkCommitMany adds 10,000 files of 1 KiB in one commit.
func BenchmarkCommitMany(b *testing.B) {
	changes := manyFiles(10000)
	for b.Loop() {
		b.StopTimer()
		r := benchRepository(b)
		b.StartTimer()
		mustCommit(b, r, changes...)
	}
}

// BenchmarkCommitWide changes one file in a directory of 10,000 and of 100,000.
func BenchmarkCommitWide(b *testing.B) {
	for _, n := range []int{10000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := benchRepository(b)
			var changes []svn.Change
			for i := range n {
				changes = append(changes, svn.Change{Op: svn.OpPut, Path: svn.Path(fmt.Sprintf("file%06d.txt", i)), Base: svn.InvalidRevnum})
			}
			rev := mustCommit(b, r, changes...)
			first, i := rev, 0
			for b.Loop() {
				i++
				path := svn.Path(fmt.Sprintf("file%06d.txt", i*7919%n))
				rev = mustCommit(b, r, svn.Change{Op: svn.OpPut, Path: path, Base: rev, Content: randomContent(1024)})
			}
			b.ReportMetric(float64(revisionBytes(b, r, first+1, rev))/float64(rev-first), "B/rev")
		})
	}
}

func revisionBytes(b *testing.B, r *fsfs.Repository, first, last svn.Revnum) int64 {
	total := int64(0)
	for rev := first; rev <= last; rev++ {
		info, err := os.Stat(filepath.Join(r.Dir(), "db", "revs", fmt.Sprint(rev/1000), fmt.Sprint(rev)))
		if err != nil {
			b.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// counter yields size bytes that cannot be compressed, one of which differs for each at.
type counter struct {
	size, pos, at int64
	state         uint64
}

func (c *counter) Read(p []byte) (int, error) {
	if c.pos == c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-c.pos) &^ 7)
	for i := 0; i < n; i += 8 {
		c.state += 0x9e3779b97f4a7c15
		z := c.state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(p[i:], z^z>>31)
	}
	if c.at >= c.pos && c.at < c.pos+int64(n) {
		p[c.at-c.pos] ^= 1
	}
	c.pos += int64(n)
	return n, nil
}

func (c *counter) Close() error { return nil }

func bigContent(size, at int64) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return &counter{size: size, at: at}, nil }
}

// BenchmarkBig commits a new file of 1 GiB, changes a byte of it, and reads it.
func BenchmarkBig(b *testing.B) {
	const size = 1 << 30
	r := benchRepository(b)
	i := 0
	b.Run("add", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			i++
			mustCommit(b, r, svn.Change{Op: svn.OpPut, Path: svn.Path(fmt.Sprint(i)), Base: svn.InvalidRevnum, Content: bigContent(size, -1)})
		}
		reportMemory(b)
	})
	rev := svn.Revnum(i)
	b.Run("change", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			rev = mustCommit(b, r, svn.Change{Op: svn.OpPut, Path: "1", Base: rev, Content: bigContent(size, int64(rev)*1000003)})
		}
		b.ReportMetric(float64(revisionBytes(b, r, rev, rev)), "B/rev")
		reportMemory(b)
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			f, err := r.Open(b.Context(), "1", rev)
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, f); err != nil || n != size {
				b.Fatal(n, err)
			}
			f.Close()
		}
		reportMemory(b)
	})
}

func reportMemory(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
}

func BenchmarkStat(b *testing.B) {
	r := benchRepository(b)
	rev := mustCommit(b, r, manyFiles(10000)...)
	i := 0
	for b.Loop() {
		i++
		path := svn.Path(fmt.Sprintf("dir%02d/file%03d.txt", i%100, i/100%100))
		if _, err := r.Stat(b.Context(), path, rev); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadMany walks over 10,000 files of 1 KiB and reads them.
func BenchmarkReadMany(b *testing.B) {
	made := benchRepository(b)
	rev := mustCommit(b, made, manyFiles(10000)...)
	for b.Loop() {
		r, err := fsfs.Open(made.Dir(), fsfs.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for n, err := range r.Walk(b.Context(), "", rev, "") {
			if err != nil {
				b.Fatal(err)
			}
			if n.Kind != svn.KindFile {
				continue
			}
			f, err := r.Open(b.Context(), n.Path, rev)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, f); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
		r.Close()
	}
}
