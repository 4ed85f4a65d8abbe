package fsfs_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
)

func create(t *testing.T) *fsfs.Repository {
	t.Helper()
	r, err := fsfs.Create(filepath.Join(t.TempDir(), "repo"), fsfs.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func content(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

func commit(t *testing.T, r *fsfs.Repository, changes ...svn.Change) svn.Revnum {
	t.Helper()
	rev, err := r.Commit(t.Context(), &svn.Commit{
		RevProps: svn.Props{svn.PropAuthor: "tester", svn.PropLog: "a test"},
		Changes:  changes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func read(t *testing.T, r *fsfs.Repository, path svn.Path, rev svn.Revnum) string {
	t.Helper()
	f, err := r.Open(t.Context(), path, rev)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const unknown = svn.InvalidRevnum

func TestSimple(t *testing.T) {
	r := create(t)
	big := strings.Repeat("0123456789 lines of text that go on and on\n", 20000)
	rev := commit(t, r,
		svn.Change{Op: svn.OpMkdir, Path: "d", Base: unknown},
		svn.Change{Op: svn.OpPut, Path: "d/a", Base: unknown, Content: content("hello\n"), Props: svn.Props{svn.PropExecutable: "*"}},
		svn.Change{Op: svn.OpPut, Path: "big", Base: unknown, Content: content(big)},
		svn.Change{Op: svn.OpPut, Path: "empty", Base: unknown, Content: content("")},
		svn.Change{Op: svn.OpPut, Path: "none", Base: unknown},
	)
	big2 := big[:300000] + "inserted" + big[300000:]
	rev = commit(t, r,
		svn.Change{Op: svn.OpPut, Path: "big", Base: rev, Content: content(big2)},
		svn.Change{Op: svn.OpCopy, Path: "e", Base: unknown, CopyFrom: &svn.CopySource{Path: "d", Rev: rev}},
		svn.Change{Op: svn.OpPut, Path: "e/a", Base: unknown, Content: content("changed in the copy\n")},
		svn.Change{Op: svn.OpDelete, Path: "none", Base: rev},
	)
	if got := read(t, r, "big", 1); got != big {
		t.Error("big at r1 differs")
	}
	if got := read(t, r, "big", 2); got != big2 {
		t.Error("big at r2 differs")
	}
	if got, want := read(t, r, "e/a", rev), "changed in the copy\n"; got != want {
		t.Errorf("e/a is %q, want %q", got, want)
	}
	run(t, "svnadmin", "verify", "-q", r.Dir())
}

func TestFirstRevisionIsThatOfSubversion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "theirs")
	run(t, "svnadmin", "create", dir)
	r := create(t)
	want, err := os.ReadFile(filepath.Join(dir, "db/revs/0/0"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(r.Dir(), "db/revs/0/0"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("revision 0 is\n%q\nwant\n%q", got, want)
	}
}
