package hub

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// run runs a program, which has to end well, and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestAdopt makes a folder of a directory in a repository that svnadmin made. What svn commits to it
// reaches who follows, and what havre commits is what svn checks out.
func TestAdopt(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightRead)
	base := t.TempDir()
	repo := filepath.Join(base, "old")
	run(t, "svnadmin", "create", repo)
	url := "file://" + repo
	run(t, "svn", "mkdir", "-q", "-m", "layout", url+"/trunk", url+"/branches")
	wc := filepath.Join(base, "wc")
	run(t, "svn", "checkout", "-q", url+"/trunk", wc)

	a := w.console()
	f := ok(a.AdoptFolder(t.Context(), "Old", repo, "trunk"))(t)
	if got := a.RepositoryDir(f); got != repo {
		t.Errorf("the repository is at %s, want %s", got, repo)
	}
	if err := a.Grant(t.Context(), "Old", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	scope := havre.Scope{Folder: f.ID}
	seen := make(chan string, 16)
	ended := make(chan error, 1)
	go func() {
		ended <- w.Follow(ctx, ada, scope, 1, f.Repository, func(r *havre.Revision) error {
			for _, op := range r.Ops {
				seen <- string(op.Path) + "=" + string(op.Content)
			}
			return nil
		})
	}()
	if err := os.WriteFile(filepath.Join(wc, "note.txt"), []byte("by svn"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "svn", "add", "-q", filepath.Join(wc, "note.txt"))
	run(t, "svn", "commit", "-q", "-m", "a note", wc)
	select {
	case got := <-seen:
		if got != "note.txt=by svn" {
			t.Errorf("the follower was sent %q", got)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	content := []byte("by havre")
	result := ok(w.Commit(t.Context(), ada, scope, &havre.Commit{ID: "one", Changes: []havre.Change{{
		Kind: havre.ChangePut, Path: "other.txt", Base: svn.InvalidRevnum, Content: content,
		Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(content)), Hash: havre.HashBytes(content)},
	}}}))(t)
	if len(result.Refused) > 0 {
		t.Fatalf("refused: %v", result.Refused)
	}
	run(t, "svn", "update", "-q", wc)
	if got, err := os.ReadFile(filepath.Join(wc, "other.txt")); err != nil || string(got) != "by havre" {
		t.Errorf("svn has %q, %v", got, err)
	}
	run(t, "svnadmin", "verify", "-q", repo)

	// The same part twice would be one in two places; another part is not.
	_, err := a.AdoptFolder(t.Context(), "Again", repo, "trunk/deep")
	wantCode(t, err, havre.CodeExists)
	_, err = a.AdoptFolder(t.Context(), "Above", repo, "")
	wantCode(t, err, havre.CodeExists)
	ok(a.AdoptFolder(t.Context(), "Branches", repo, "branches"))(t)
	if err := w.repos.remove(f.Location); err == nil {
		t.Error("an adopted repository was removed")
	}
}

// TestAdoptWithHooks has the hooks of an adopted repository run, see who commits, and say no in their own words.
func TestAdoptWithHooks(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightNone)
	repo := filepath.Join(t.TempDir(), "repo")
	run(t, "svnadmin", "create", repo)
	hook := func(name, script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(repo, "hooks", name), []byte("#!/bin/sh\nPATH=/usr/bin:/bin\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	hook("pre-commit", `svnlook changed -t "$2" "$1" | grep -q forbidden || exit 0
echo "Not in this house, $(svnlook author -t "$2" "$1")." >&2
exit 1
`)
	hook("post-commit", `echo "r$2 by $(svnlook author -r "$2" "$1")" >>"$1/said"`)
	a := w.console()
	f := ok(a.AdoptFolder(t.Context(), "Old", repo, ""))(t)
	if err := a.Grant(t.Context(), "Old", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	commit := func(id string, paths ...svn.Path) (*havre.CommitResult, error) {
		c := &havre.Commit{ID: id}
		for _, p := range paths {
			c.Changes = append(c.Changes, put(string(p), "text", svn.InvalidRevnum))
		}
		return w.Commit(t.Context(), ada, havre.Scope{Folder: f.ID}, c)
	}
	if got := ok(commit("1", "a", "b"))(t); got.Rev != 1 || len(got.Refused) > 0 {
		t.Errorf("the first commit: %+v", got)
	}
	_, err := commit("2", "c", "forbidden")
	wantCode(t, err, havre.CodeInvalid)
	if !strings.Contains(err.Error(), "Not in this house, ada.") {
		t.Errorf("the hook's words are lost: %v", err)
	}
	if got := ok(commit("1", "a", "b"))(t); got.Rev != 1 {
		t.Errorf("a repeated commit made r%d", got.Rev)
	}
	if got := ok(commit("3", "c"))(t); got.Rev != 2 {
		t.Errorf("after a refusal: %+v", got)
	}
	if got := run(t, "cat", filepath.Join(repo, "said")); got != "r1 by ada\nr2 by ada\n" {
		t.Errorf("post-commit said %q", got)
	}
	if left := run(t, "svnadmin", "lstxns", repo); left != "" {
		t.Errorf("transactions were left behind: %s", left)
	}
}

func TestAdoptRefuses(t *testing.T) {
	w := newWorld(t)
	a := w.console()
	base := t.TempDir()
	repo := func(name string, args ...string) string {
		dir := filepath.Join(base, name)
		run(t, "svnadmin", append([]string{"create", dir}, args...)...)
		return dir
	}
	old := repo("old", "--compatible-version", "1.3")
	good := repo("good")
	own := filepath.Join(w.dir, "repositories", w.folder.Location)
	link := filepath.Join(base, "link")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		root      svn.Path
	}{
		{"relative", "old", ""},
		{"nothing", filepath.Join(base, "nothing"), ""},
		{"no repository", base, ""},
		{"read only format", old, ""},
		{"no such directory", good, "trunk"},
		{"up", good, "../x"},
		{"own", own, ""},
		{"link to own", link, ""},
		{"zero byte", good + "\x00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := a.AdoptFolder(t.Context(), "X "+c.name, c.dir, c.root)
			wantCode(t, err, havre.CodeInvalid)
			t.Log(err)
		})
	}
	ok(a.AdoptFolder(t.Context(), "Good", good, ""))(t)
}

func TestQuotaAndArchive(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	a := w.console()
	if err := a.SetFolderQuota(t.Context(), w.folder.Name, 1000); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	put := func(id string, size int) error {
		content := make([]byte, size)
		_, err := w.Commit(t.Context(), ada, w.scope, &havre.Commit{ID: id, Changes: []havre.Change{{
			Kind: havre.ChangePut, Path: svn.Path(id), Base: svn.InvalidRevnum, Content: content,
			Entry: havre.Entry{Kind: havre.KindFile, Size: int64(size), Hash: havre.HashBytes(content)},
		}}})
		return err
	}
	if err := put("a", 600); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put("b", 600), havre.CodeFull)
	if err := put("c", 300); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put("d", 101), havre.CodeFull)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Follow(ctx, ada, w.scope, 0, "", func(*havre.Revision) error { return nil }) }()
	if err := a.ArchiveFolder(t.Context(), w.folder.Name, true); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		wantCode(t, err, havre.CodeUnavailable)
	case <-time.After(3 * time.Second):
		t.Error("an archived folder is followed on")
	}
	w.access.forget()
	wantCode(t, put("e", 1), havre.CodeUnavailable)
	if err := a.ArchiveFolder(t.Context(), w.folder.Name, false); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	if err := put("e", 1); err != nil {
		t.Error(err)
	}
	if err := errors.Join(a.RenameFolder(t.Context(), w.folder.Name, "New name")); err != nil {
		t.Fatal(err)
	}
	if f, err := a.FolderByName(t.Context(), w.folder.Name); err != nil || f.Name != "New name" {
		t.Errorf("the old name leads to %q, %v", f.Name, err)
	}
}
