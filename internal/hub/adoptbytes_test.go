package hub

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// TestStoredBytes has files with keywords, line ends and externals in an adopted repository: devices get the
// bytes that are stored, what they change is stored as it is, and the properties stay.
func TestStoredBytes(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightRead)
	base := t.TempDir()
	repo, wc := filepath.Join(base, "old"), filepath.Join(base, "wc")
	run(t, "svnadmin", "create", repo)
	url := "file://" + repo
	run(t, "svn", "mkdir", "-q", "-m", "layout", url+"/trunk", url+"/lib")
	run(t, "svn", "checkout", "-q", url+"/trunk", wc)
	const stored = "/* $Id$ */\nint main;\n"
	for _, name := range []string{"a.c", "b.c"} {
		name = filepath.Join(wc, name)
		if err := os.WriteFile(name, []byte(stored), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "svn", "add", "-q", name)
		run(t, "svn", "propset", "-q", "svn:eol-style", "native", name)
		run(t, "svn", "propset", "-q", "svn:keywords", "Id Rev", name)
		run(t, "svn", "propset", "-q", "team:reviewed", "by bob", name)
	}
	run(t, "svn", "propset", "-q", "svn:externals", "^/lib lib", wc)
	run(t, "svn", "propset", "-q", "svn:ignore", "*.o\n", wc)
	run(t, "svn", "commit", "-q", "-m", "files", wc)
	if got := run(t, "svn", "cat", url+"/trunk/a.c"); !strings.Contains(got, "$Id: a.c 2 ") {
		t.Fatalf("svn does not expand the keyword: %q", got)
	}

	a := w.console()
	f := ok(a.AdoptFolder(t.Context(), "Old", repo, "trunk"))(t)
	if err := a.Grant(t.Context(), "Old", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	scope := havre.Scope{Folder: f.ID}
	file := ok(w.Open(t.Context(), ada, scope, havre.FileVersion{Path: "a.c", Rev: 2}))(t)
	got, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil || string(got) != stored {
		t.Errorf("a device gets %q, %v; stored is %q", got, err, stored)
	}

	// A keyword that is written out, and line ends of two kinds, as somebody's editor left them.
	odd := []byte("/* $Id: a.c 1 2020-01-01 ada $ */\r\nint main;\n\r\n")
	put := func(id string, changes ...havre.Change) {
		t.Helper()
		for i := range changes {
			if c := &changes[i]; c.Kind == havre.ChangePut {
				c.Content = odd
				c.Entry.Kind, c.Entry.Size, c.Entry.Hash = havre.KindFile, int64(len(odd)), havre.HashBytes(odd)
			}
		}
		if r := ok(w.Commit(t.Context(), ada, scope, &havre.Commit{ID: id, Changes: changes}))(t); len(r.Refused) > 0 {
			t.Fatalf("refused: %v", r.Refused)
		}
	}
	put("edit", havre.Change{Kind: havre.ChangePut, Path: "a.c", Base: 2, Entry: havre.Entry{Executable: true}})
	put("move",
		havre.Change{Kind: havre.ChangeCopy, Path: "moved.c", Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: "b.c", Rev: 2}},
		havre.Change{Kind: havre.ChangeDelete, Path: "b.c", Base: 2},
		havre.Change{Kind: havre.ChangePut, Path: "moved.c", Base: svn.InvalidRevnum},
	)
	for _, path := range []string{"trunk/a.c", "trunk/moved.c"} {
		if got := run(t, "svnlook", "cat", repo, path); got != string(odd) {
			t.Errorf("/%s: stored is %q, committed was %q", path, got, odd)
		}
		for name, want := range map[string]string{"svn:eol-style": "native", "svn:keywords": "Id Rev", "team:reviewed": "by bob"} {
			if got := run(t, "svnlook", "propget", repo, name, path); got != want {
				t.Errorf("/%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	if got := run(t, "svnlook", "proplist", repo, "trunk/a.c"); !strings.Contains(got, "svn:executable") {
		t.Errorf("the executable bit is not stored beside the other properties: %q", got)
	}
	for name, want := range map[string]string{"svn:externals": "^/lib lib\n", "svn:ignore": "*.o\n\n"} {
		if got := run(t, "svnlook", "propget", repo, name, "trunk"); strings.TrimRight(got, "\n") != strings.TrimRight(want, "\n") {
			t.Errorf("/trunk: %s is %q, want %q", name, got, want)
		}
	}
	run(t, "svnadmin", "verify", "-q", repo)
}
