package fsfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// packedLayouts yields the names of the layouts that know packs, and what makes a repository of each.
func packedLayouts(yield func(string, func(*testing.T) string) bool) {
	for _, l := range layouts {
		if l.name < "format 4" || strings.Contains(l.name, "linear") {
			continue
		}
		if !yield(l.name, func(t *testing.T) string {
			dir := svntest.Create(t, layoutArgs(l.args, l.edit)...)
			editFormat(t, dir, l.edit)
			return dir
		}) {
			return
		}
	}
}

// TestPack packs random histories, some that we wrote and some that svnadmin loaded, in every format. They
// have to be the same to us and to Subversion's programs, which go on committing, and pack on.
func TestPack(t *testing.T) {
	seed := uint64(500)
	for name, make := range packedLayouts {
		for _, theirs := range []bool{false, true} {
			if theirs && !strings.HasPrefix(name, "format 8") {
				continue
			}
			seed++
			t.Run(fmt.Sprintf("%s, theirs %v", name, theirs), func(t *testing.T) {
				t.Parallel()
				h := svntest.RandomHistory(t, seed, 13)
				made := make(t)
				if theirs {
					svntest.RunIn(t, strings.NewReader(string(h.Dump(t))), "svnadmin", "load", "-q", made)
				} else {
					h.Apply(t, open(t, made))
				}
				dir := svntest.Reshard(t, made, 4)
				before := open(t, dir)
				h.Check(t, before)
				r := open(t, dir)
				got, err := r.Pack(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got.Shards != 3 || got.Revisions != 12 || got.Packed != 12 || got.Next != 15 {
					t.Errorf("packed %+v", got)
				}
				packedFiles(t, dir)
				for _, r := range []*fsfs.Repository{before, r, open(t, dir)} {
					h.Check(t, r)
				}
				sameLog(t, r, made)
				svntest.Verify(t, dir)
				svntest.SameDump(t, "packed", dir, made)
				for rev, err := range verify(t, dir) {
					t.Errorf("r%d: %v", rev, err)
				}

				svntest.Run(t, "svnmucc", "-m", "on top", "mkdir", svntest.URL(dir, "on top"), "put", "/dev/null", svntest.URL(dir, "on top/f"))
				commit(t, r, svn.Change{Op: svn.OpMkdir, Path: "ours", Base: unknown})
				if got, err := r.Pack(t.Context(), nil); err != nil || got.Packed != 16 {
					t.Errorf("packed %+v, %v", got, err)
				}
				commit(t, r, svn.Change{Op: svn.OpMkdir, Path: "ours/d", Base: unknown})
				if got, err := r.Pack(t.Context(), nil); err != nil || got.Shards != 0 || got.Packed != 16 || got.Next != 19 {
					t.Errorf("with nothing to do: %+v, %v", got, err)
				}
				for i := range 3 {
					svntest.Run(t, "svnmucc", "-m", "on top", "mkdir", svntest.URL(dir, fmt.Sprint("d", i)))
				}
				svntest.Run(t, "svnadmin", "pack", "-q", dir)
				svntest.Verify(t, dir)
				h.Check(t, r)
			})
		}
	}
}

// packedFiles checks that a repository has nothing left of the shards that are packed.
func packedFiles(t *testing.T, dir string) {
	t.Helper()
	format, err := os.ReadFile(filepath.Join(dir, "db", "format"))
	if err != nil {
		t.Fatal(err)
	}
	revprops := []string{"0", "0.pack", "1.pack", "2.pack", "3"}
	if format[0] == '4' {
		revprops = []string{"0", "1", "2", "3"}
	}
	for name, want := range map[string][]string{
		"revs": {"0.pack", "1.pack", "2.pack", "3"}, "revprops": revprops, "txn-protorevs": nil,
	} {
		entries, err := os.ReadDir(filepath.Join(dir, "db", name))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("db/%s has %v, want %v", name, got, want)
		}
	}
}
