package fsfs_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

func TestContract(t *testing.T) {
	var dirs []string
	svntest.TestRepository(t, func(sub *testing.T) svn.Repository {
		dir := filepath.Join(t.TempDir(), "repo")
		dirs = append(dirs, dir)
		r, err := fsfs.Create(dir, fsfs.CreateOptions{})
		if err != nil {
			sub.Fatal(err)
		}
		return reopenShared(sub, r)
	})
	for _, dir := range dirs {
		svntest.JudgeQuick(t, dir)
	}
}

// TestHistories commits random histories, has Subversion judge what was written, and reads it all
// back after opening it anew.
func TestHistories(t *testing.T) {
	for seed := range uint64(2) {
		for _, kind := range []struct {
			name string
			make func(testing.TB, uint64, int) *svntest.History
		}{{"plain", svntest.RandomHistory}, {"rewrites", svntest.RandomRewrites}} {
			t.Run(fmt.Sprintf("%s %d", kind.name, seed), func(t *testing.T) {
				t.Parallel() // Subversion's programs wait for the disk most of the time
				h := kind.make(t, seed, 18)
				r := reopenShared(t, create(t))
				h.Apply(t, r)
				h.Check(t, reopenShared(t, r))
				h.CheckDir(t, r.Dir())
				svntest.Judge(t, r.Dir())
			})
		}
	}
}

func reopen(t *testing.T, r *fsfs.Repository) *fsfs.Repository {
	t.Helper()
	return open(t, r.Dir())
}

func open(t *testing.T, dir string) *fsfs.Repository {
	t.Helper()
	r, err := fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
