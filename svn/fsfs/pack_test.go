package fsfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// TestPackedMeanwhile has svnadmin and another process of ours pack a repository that is open, whose revisions
// are partly in caches, and goes on committing to it.
func TestPackedMeanwhile(t *testing.T) {
	dir := create(t).Dir()
	name := filepath.Join(dir, "db", "format")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("8\nlayout sharded 4\naddressing logical\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	r, idle := open(t, dir), open(t, dir)
	want := []string{""} // the contents of f in each revision
	base := svn.InvalidRevnum
	change := func() {
		want = append(want, fmt.Sprintf("the contents of r%d\n", len(want)))
		base = commit(t, r, svn.Change{Op: svn.OpPut, Path: "f", Base: base, Content: content(want[len(want)-1])})
	}
	for i := range 5 {
		for range 3 {
			change()
		}
		if i%2 == 0 {
			svntest.Run(t, "svnadmin", "pack", "-q", dir)
		} else if _, err := open(t, dir).Pack(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		// Those who wait are told of what others commit afterwards.
		svntest.Run(t, "svnmucc", "-m", "", "propset", "p", fmt.Sprint(i), svntest.URL(dir, ""))
		if rev, err := idle.Wait(t.Context(), base); err != nil || rev != base+1 {
			t.Errorf("waited for r%d, want r%d, %v", rev, base+1, err)
		}
		want = append(want, want[len(want)-1])
	}
	change()
	for rev := svn.Revnum(1); rev <= base; rev++ {
		for _, repo := range []svn.Repository{r, idle} {
			if got := string(svntest.ReadFile(t, repo, "f", rev)); got != want[rev] {
				t.Errorf("/f@%d is %q, want %q", rev, got, want[rev])
			}
			if _, err := repo.RevProps(t.Context(), rev); err != nil {
				t.Error(err)
			}
		}
	}
	svntest.Verify(t, dir)
}

// TestMergeinfo has the counts of nodes with svn:mergeinfo follow every kind of change.
func TestMergeinfo(t *testing.T) {
	r := create(t)
	info := svn.Props{svn.PropMergeinfo: "/trunk:1"}
	rev := commit(t, r,
		svn.Change{Op: svn.OpMkdir, Path: "a", Base: unknown, Props: info},
		svn.Change{Op: svn.OpMkdir, Path: "a/b", Base: unknown},
		svn.Change{Op: svn.OpPut, Path: "a/b/f", Base: unknown, Props: info},
		svn.Change{Op: svn.OpPut, Path: "a/b/g", Base: unknown, Props: info},
	)
	rev = commit(t, r,
		svn.Change{Op: svn.OpCopy, Path: "c", Base: unknown, CopyFrom: &svn.CopySource{Path: "a", Rev: rev}},
		svn.Change{Op: svn.OpDelete, Path: "c/b/f", Base: rev},
		svn.Change{Op: svn.OpPut, Path: "a/b/g", Base: rev, Props: svn.Props{}},
	)
	rev = commit(t, r,
		svn.Change{Op: svn.OpMkdir, Path: "c", Base: rev, Props: svn.Props{}},
		svn.Change{Op: svn.OpMkdir, Path: "", Base: rev, Props: info},
	)
	rev = commit(t, r, svn.Change{Op: svn.OpDelete, Path: "a", Base: rev},
		svn.Change{Op: svn.OpCopy, Path: "a", Base: unknown, CopyFrom: &svn.CopySource{Path: "c/b", Rev: rev}, Props: info})
	commit(t, r, svn.Change{Op: svn.OpDelete, Path: "c", Base: rev})
	svntest.Judge(t, r.Dir())
}
