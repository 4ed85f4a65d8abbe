package fsfs_test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/svntest"
)

// lockFile returns the name of the file that has the lock of a path, or the digests of those below it.
func lockFile(dir string, path svn.Path) string {
	digest := fmt.Sprintf("%x", md5.Sum([]byte("/"+path)))
	return filepath.Join(dir, "db", "locks", digest[:3], digest)
}

// locks returns who has locked what at and below a path.
func locks(t *testing.T, r *fsfs.Repository, path svn.Path) map[string]string {
	t.Helper()
	found, err := r.Locks(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]string{}
	for _, l := range found {
		owners["/"+string(l.Path)] = l.Owner
	}
	if len(owners) != len(found) {
		t.Errorf("%d locks of %d paths", len(found), len(owners))
	}
	return owners
}

// TestLocksListed lists what svn has locked as svnadmin lists it.
func TestLocksListed(t *testing.T) {
	r := create(t)
	commit(t, r, svn.Change{Op: svn.OpMkdir, Path: "d", Base: unknown}, svn.Change{Op: svn.OpMkdir, Path: "d/e e", Base: unknown},
		svn.Change{Op: svn.OpMkdir, Path: "none", Base: unknown},
		put("top", "1"), put("d/one", "2"), put("d/e e/ü %.txt", "3"), put("d/e e/old", "4"), put("d/free", "5"))
	dir := r.Dir()
	if got := locks(t, r, ""); len(got) > 0 {
		t.Errorf("locks of a new repository: %v", got)
	}
	for path, owner := range map[string]string{"top": "alice", "d/one": "bob", "d/e e/ü %.txt": "alice", "d/e e/old": "bob"} {
		svntest.Run(t, "svn", "lock", "--username", owner, svntest.URL(dir, path))
	}
	expire := func(path svn.Path) {
		name := lockFile(dir, path)
		data, err := os.ReadFile(name)
		if err == nil {
			end := "K 15\nexpiration_date\nV 27\n2020-01-01T00:00:00.000000Z\nEND\n"
			err = errors.Join(os.Remove(name), os.WriteFile(name, []byte(strings.TrimSuffix(string(data), "END\n")+end), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	expire("d/e e/old")
	ours := map[svn.Path]map[string]string{}
	for _, path := range []svn.Path{"", "d", "d/e e", "d/one", "none", "d/free", "missing"} {
		ours[path] = locks(t, r, path) // svnadmin removes what has expired
	}
	one := regexp.MustCompile(`(?m)^Path: (.*)\n(?:.*\n)*?Owner: (.*)$`)
	for path, got := range ours {
		want := map[string]string{}
		for _, m := range one.FindAllStringSubmatch(svntest.Run(t, "svnadmin", "lslocks", dir, string(path)), -1) {
			want[m[1]] = m[2]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("/%s: svnadmin -, ours +\n%s", path, diff)
		}
	}
	if len(ours[""]) != 3 || len(ours["d"]) != 2 {
		t.Errorf("the locks are %v", slices.Collect(maps.Values(ours)))
	}
}

// TestLocksHostile has files of locks that no program of Subversion's writes.
func TestLocksHostile(t *testing.T) {
	r := create(t)
	commit(t, r, put("file", "1"))
	root, own := lockFile(r.Dir(), ""), lockFile(r.Dir(), "file")
	digest := filepath.Base(own)
	dump := func(pairs ...string) string {
		var b strings.Builder
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "K %d\n%s\nV %d\n%s\n", len(pairs[i]), pairs[i], len(pairs[i+1]), pairs[i+1])
		}
		return b.String() + "END\n"
	}
	lock := dump("path", "/file", "owner", "eve", "token", "opaquelocktoken:1")
	for _, tt := range []struct {
		name, root, own string
		want            int // -1: *CorruptError
		free            bool
	}{
		{"a lock", dump("children", digest+"\n"), lock, 1, false},
		{"names of other files", dump("children", strings.Repeat("/", 30)+"ab\n"+strings.Repeat("../", 10)+"..\n"+strings.Repeat("..", 16)+"\n"), lock, 0, false},
		{"many", dump("children", strings.Repeat(digest+"\n", 3000)), lock, 1000, false},
		{"what is not there", dump("children", strings.Repeat("a", 32)+"\n\n\n\x00"), lock, 0, false},
		{"itself", dump("children", filepath.Base(root)+"\n"), "", 0, true},
		{"no path", dump("children", digest), dump("owner", "eve"), 0, true},
		{"the lock of another path", dump("children", digest), dump("path", "/other", "owner", "eve"), 1, false},
		{"no dump", dump("children", digest), "K 9999999999\n", -1, false},
		{"half of one", dump("children", digest)[:20], lock, -1, false},
		{"empty", "", lock, -1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, text := range map[string]string{root: tt.root, own: tt.own} {
				err := os.MkdirAll(filepath.Dir(name), 0o755)
				if text == "" && name == own {
					_ = os.Remove(name)
				} else if err == nil {
					err = os.WriteFile(name, []byte(text), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := r.Locks(t.Context(), "")
			if _, bad := errors.AsType[*fsfs.CorruptError](err); bad != (tt.want < 0) || err != nil && !bad || len(got) != max(0, tt.want) {
				t.Errorf("got %d locks and %v, want %d", len(got), err, tt.want)
			}
			_, err = r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{{Op: svn.OpPut, Path: "file", Base: unknown, Content: content("2")}}})
			if _, stale := errors.AsType[*svn.OutOfDateError](err); !stale {
				t.Errorf("a commit of what exists: %v", err)
			}
			rev, err := r.Youngest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Commit(t.Context(), &svn.Commit{Changes: []svn.Change{{Op: svn.OpPut, Path: "file", Base: rev, Content: content(tt.name)}}})
			if (err == nil) != tt.free {
				t.Errorf("a commit of the file: %v", err)
			}
		})
	}
}
