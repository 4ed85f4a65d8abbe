package fsfs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestGrowthBig changes one byte of a large file again and again: a revision may take 300 KiB for each
// GiB of the file.
func TestGrowthBig(t *testing.T) {
	const size = 32 << 20
	const bound = 300 << 10 * size >> 30
	r := create(t)
	rev := commit(t, r, svn.Change{Op: svn.OpPut, Path: "big", Base: unknown, Content: bigContent(size, -1)})
	for i := range 3 {
		at := int64(size/5*i + 12345)
		rev = commit(t, r, svn.Change{Op: svn.OpPut, Path: "big", Base: rev, Content: bigContent(size, at)})
		if n := revSize(t, r.Dir(), rev); n > bound {
			t.Errorf("r%d, with one byte changed, takes %d bytes, allowed are %d", rev, n, bound)
		}
	}
	svntest.Verify(t, r.Dir())
}

// TestGrowthWide changes a directory of 100,000 entries in every way.
func TestGrowthWide(t *testing.T) {
	const entries, bound = 100_000, 8 << 10
	r := create(t)
	changes := []svn.Change{{Op: svn.OpMkdir, Path: "wide", Base: unknown}}
	for i := range entries {
		changes = append(changes, svn.Change{Op: svn.OpPut, Path: name(i), Base: unknown})
	}
	rev := commit(t, r, changes...)
	for i := range 12 {
		switch i % 4 {
		case 0:
			rev = commit(t, r, svn.Change{Op: svn.OpPut, Path: name(i * 8117), Base: rev, Content: content("changed")})
		case 1:
			rev = commit(t, r, svn.Change{Op: svn.OpPut, Path: name(i*8117) + " new", Base: unknown, Content: content("new")})
		case 2:
			rev = commit(t, r, svn.Change{Op: svn.OpDelete, Path: name(i * 8117), Base: rev})
		case 3:
			rev = commit(t, r, svn.Change{
				Op: svn.OpCopy, Path: name(i*8117) + " copy", Base: unknown,
				CopyFrom: &svn.CopySource{Path: name(7), Rev: rev},
			}, svn.Change{Op: svn.OpDelete, Path: name(i * 8117), Base: rev})
		}
		if n := revSize(t, r.Dir(), rev); n > bound {
			t.Errorf("r%d, with one change in a directory of %d entries, takes %d bytes, allowed are %d", rev, entries, n, bound)
		}
	}
	// Subversion reads the last one through all deltas; to verify them all would take it minutes.
	listed := strings.Count(svntest.Run(t, "svn", "list", svntest.URL(r.Dir(), "wide")), "\n")
	if want := entries; listed != want {
		t.Errorf("svn lists %d entries, want %d", listed, want)
	}
}

// name returns the path of a file in a directory that has names of usual length.
func name(i int) svn.Path { return svn.Path(fmt.Sprintf("wide/IMG_%06d of summer.jpg", i)) }
