package fsfs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// verify returns what is damaged, by revision, and checks that every revision was looked at once.
func verify(t *testing.T, dir string) map[svn.Revnum]error {
	t.Helper()
	r, err := fsfs.Open(dir, fsfs.Options{})
	if err != nil {
		return map[svn.Revnum]error{svn.InvalidRevnum: err}
	}
	defer r.Close()
	info, err := r.Info(t.Context())
	if err != nil {
		return map[svn.Revnum]error{svn.InvalidRevnum: err}
	}
	damaged := map[svn.Revnum]error{}
	seen := map[svn.Revnum]bool{}
	err = r.Verify(t.Context(), 0, info.Youngest, func(rev svn.Revnum, err error) error {
		if seen[rev] {
			t.Errorf("r%d is verified twice", rev)
		}
		seen[rev] = true
		if err != nil {
			damaged[rev] = err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if len(seen) != int(info.Youngest)+1 {
		t.Errorf("%d of %d revisions were verified", len(seen), info.Youngest+1)
	}
	return damaged
}

// TestVerify finds nothing wrong in what we write and svnadmin packs, in any layout, nor in what svn writes.
func TestVerify(t *testing.T) {
	h := svntest.RandomHistory(t, 77, 12)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel() // Subversion's programs wait for the disk most of the time
			dir := svntest.Create(t, layoutArgs(l.args, l.edit)...)
			editFormat(t, dir, l.edit)
			if l.name == "format 1" || l.name == "format 2" {
				svntest.Run(t, "svnmucc", "-m", "", "-U", svntest.URL(dir, ""), "mkdir", "d", "put", "/etc/passwd", "d/f")
				svntest.Run(t, "svnmucc", "-m", "", "-U", svntest.URL(dir, ""), "cp", "1", "d", "e", "rm", "e/f", "put", "/etc/group", "d/f")
			} else {
				r := open(t, dir)
				h.Apply(t, r)
				r.Close()
			}
			for rev, err := range verify(t, dir) {
				t.Errorf("r%d: %v", rev, err)
			}
			if l.name < "format 4" || strings.Contains(l.name, "linear") {
				return // there are no packs
			}
			dir = svntest.Pack(t, dir, 4)
			for rev, err := range verify(t, dir) {
				t.Errorf("packed, r%d: %v", rev, err)
			}
		})
	}
}

// TestVerifyDamaged changes single bits in the file of a revision. All have to be noticed, and told of the revision.
func TestVerifyDamaged(t *testing.T) {
	h := svntest.RandomHistory(t, 301, 8)
	made := create(t)
	h.Apply(t, made)
	dir := filepath.Join(t.TempDir(), "damaged")
	copyTree(t, made.Dir(), dir)
	rng := rand.New(rand.NewPCG(9, 10))
	for range 150 {
		rev := svn.Revnum(1 + rng.IntN(len(h.Commits)))
		name := filepath.Join(dir, "db", "revs", "0", fmt.Sprint(rev))
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte(nil), good...)
		i := rng.IntN(len(bad))
		bad[i] ^= 1 << rng.IntN(8)
		replaceFile(t, name, bad)
		if verify(t, dir)[rev] == nil {
			t.Errorf("r%d with byte %d of %d changed from %#x to %#x: nothing is found", rev, i, len(bad), good[i], bad[i])
		}
		replaceFile(t, name, good)
	}
	if diff := cmp.Diff(verify(t, dir), map[svn.Revnum]error{}); diff != "" {
		t.Errorf("afterwards: %s", diff)
	}
}
